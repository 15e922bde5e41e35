/** One open transaction of the MySQL target. */
import { ReplicatorError } from '../../failure/failure.ts';
import { columnarRows } from '../values/column-texts.ts';
import type { Loan } from '../connections/connection-pool.ts';
import type {
  KeyMoves,
  KeyRows,
  ShapeRows,
  TableReference,
  TableShape,
  TargetTransaction,
  CommitMark,
} from '../target.ts';
import {
  type RunStatement,
  TransactionDeadLetters,
} from '../own-tables/dead-letter-table.ts';
import type { DeadLetterBox } from '../dead-letters.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { ValuePolicies } from '../value-policy.ts';
import { requireColumns } from '../values/require-columns.ts';
import { requireKey } from '../require-key.ts';
import { isMove, notHeld } from '../watermark.ts';
import { cancelOnAbort, orAbort } from '../connections/cancel.ts';
import { deadLetterDialect } from './statements/dead-letter-statements.ts';
import {
  deleteRows,
  keyConditions,
  unlinkRows,
} from './statements/delete-rows.ts';
import type { MysqlConnection } from './session/driver.ts';
import { emptyTables } from './statements/empty-tables.ts';
import { deleteEqualRows, equalRows } from './statements/equal-rows.ts';
import { isServerError, type Phase, targetFailure } from './session/errors.ts';
import { prepareInsert } from './statements/insert-rows.ts';
import { moveKeys } from './statements/move-keys.ts';
import { parkingRules } from './statements/parking.ts';
import { OrphanRows } from './statements/orphan-rows.ts';
import { literalTexts } from './values/row-encoding.ts';
import { jsonSource } from './values/row-source.ts';
import { beginStatement, endStatement } from './session/session.ts';
import {
  deleteUnreferredStatement,
  setNullStatement,
} from './statements/key-statements.ts';
import { updateStatement, vacatedColumns } from './statements/statements.ts';
import {
  didNotMoveNumber,
  fenceStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';
import {
  eachPacket,
  linksCircle,
  prepareRows,
  type RowWork,
} from './statements/write-rows.ts';

export interface TransactionOptions {
  readonly isBlocked: (processId: number) => Promise<boolean | null>;
  readonly policies: ValuePolicies;
  readonly applyTimeoutMs: number;
  /** Up to so many rows of a shape cross as one parameter. */
  readonly fewRows: number | undefined;
}

export class MysqlTransaction implements TargetTransaction {
  readonly #loan: Loan<MysqlConnection>;
  readonly #connection: MysqlConnection;
  readonly #options: TransactionOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #watch: Disposable;
  #state: 'open' | 'committed' | 'ended' = 'open';
  /** The first failure: what follows it is not even tried. */
  #failure: Error | null = null;
  /** The protocol has one statement at a time: each waits for the one before. */
  #last: Promise<void> = Promise.resolve();
  readonly #orphans = new OrphanRows();
  /** What tables that refer to each other in a circle get before the commit. */
  readonly #postponed: {
    table: TableShape;
    isDelete: boolean;
    work: RowWork;
  }[] = [];

  constructor(
    loan: Loan<MysqlConnection>,
    options: TransactionOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#loan = loan;
    this.#options = options;
    this.#connection = loan.connection;
    this.#signal = signal;
    this.#watch = cancelOnAbort(loan.connection, signal);
    this.#connection.sendAhead(
      beginStatement(this.#connection.facts.isMariadb, options.applyTimeoutMs),
    );
  }

  async upsert(rows: ShapeRows): Promise<void> {
    await this.#written(() => {
      requireKey(rows.table);
      const { now, later } = prepareRows(rows, {
        ...this.#options,
        facts: this.#connection.facts,
      });
      return async () => {
        if (
          this.#postponed.some(
            ({ table, isDelete }) => isDelete && table.name === rows.table.name,
          )
        ) {
          await this.#catchUp();
        }
        await this.#orphans.write(this.#connection, rows, now);
        if (later) {
          this.#postponed.push({
            table: rows.table,
            isDelete: false,
            work: later,
          });
        }
      };
    });
  }

  readonly parking = parkingRules;

  async update(rows: ShapeRows): Promise<void> {
    const { table, columns } = rows;
    await this.#written(() => {
      requireKey(table);
      const text = updateStatement(table, columns, jsonSource(table, columns));
      const work: RowWork = async (connection) => {
        const { policies } = this.#options;
        await eachPacket(connection, rows, policies, async (_, json) => {
          await connection.execute(text!, [json]);
        });
      };
      return async (connection) => {
        await this.#orphans.settle(connection);
        if (linksCircle(rows)) {
          // Behind what an upsert of the rows has left for later.
          this.#postponed.push({ table, isDelete: false, work });
        } else if (text !== null) {
          await work(connection);
        }
      };
    });
  }

  async delete(keys: KeyRows): Promise<void> {
    await this.#written(() => {
      requireKey(keys.table);
      const conditions = this.#conditions(keys);
      return async (connection) => {
        await this.#orphans.settle(connection);
        const isCyclic = await unlinkRows(connection, keys.table, conditions);
        if (isCyclic) {
          this.#postponed.push({
            table: keys.table,
            isDelete: true,
            work: (later) => deleteRows(later, keys.table, conditions),
          });
        } else {
          await this.#deleteChildrenOf(keys.table);
          await deleteRows(connection, keys.table, conditions);
        }
      };
    });
  }

  async deleteUnreferred(
    keys: KeyRows,
    references: readonly TableReference[],
  ): Promise<void> {
    await this.#written(() => {
      requireKey(keys.table);
      const conditions = this.#conditions(keys);
      return async (connection) => {
        await this.#orphans.settle(connection);
        for (const condition of conditions) {
          await connection.query(
            deleteUnreferredStatement(keys.table, references, condition),
          );
        }
      };
    });
  }

  async vacateUniqueKeys(keys: KeyRows): Promise<boolean> {
    const names = vacatedColumns(keys.table);
    if (names === null) {
      return false;
    }
    await this.#written(() => {
      requireKey(keys.table);
      const conditions = this.#conditions(keys);
      return async (connection) => {
        await this.#orphans.settle(connection);
        for (const condition of conditions) {
          await connection.query(
            setNullStatement(keys.table, names, condition),
          );
        }
      };
    });
    return true;
  }

  async moveKeys(moves: KeyMoves): Promise<void> {
    await this.#written(() => {
      requireKey(moves.table);
      return async (connection) => {
        await this.#catchUp();
        await moveKeys(connection, moves, this.#options.policies);
      };
    });
  }

  async insert(rows: ShapeRows): Promise<void> {
    await this.#written(() => {
      requireColumns(rows);
      const work = prepareInsert(rows, {
        ...this.#options,
        facts: this.#connection.facts,
      });
      return (connection) => this.#orphans.write(connection, rows, work);
    });
  }

  async deleteEqual(rows: ShapeRows): Promise<void> {
    await this.#written(() => {
      requireColumns(rows);
      const kinds = equalRows(rows, this.#options.policies);
      return async (connection) => {
        await this.#orphans.settle(connection);
        await this.#deleteChildrenOf(rows.table);
        await deleteEqualRows(connection, rows, kinds, this.#options);
      };
    });
  }

  async truncate(tables: readonly TableShape[]): Promise<void> {
    await this.#written(() => async (connection) => {
      await this.#catchUp();
      await emptyTables(connection, tables);
    });
  }

  deadLetters(schema: SchemaName, tableName: string): DeadLetterBox {
    const run: RunStatement = async ({ text }) => {
      let rows: Awaited<ReturnType<RunStatement>> = [];
      await this.#written(() => async (connection) => {
        ({ rows } = await connection.query(text));
      });
      return rows;
    };
    return new TransactionDeadLetters(
      { dialect: deadLetterDialect, schema, tableName },
      run,
    );
  }

  /** Nothing is deferred by the server, and something by us. */
  async checkConstraints(): Promise<void> {
    await this.#written(() => () => this.#catchUp());
  }

  async keepAlive(): Promise<void> {
    await this.#written(() => async (connection) => {
      await connection.query('do 1');
    });
  }

  waitsForLock(): Promise<boolean | null> {
    return this.#options.isBlocked(this.#connection.processId);
  }

  async commit(mark: CommitMark | null): Promise<void> {
    this.#throwIfOver();
    await this.#last;
    this.#throwIfOver();
    try {
      await this.#catchUp();
    } catch (error) {
      throw this.#fail(error, 'statement');
    }
    const { isMariadb } = this.#connection.facts;
    const commit = endStatement(
      'commit',
      isMariadb,
      this.#options.applyTimeoutMs,
    );
    try {
      await this.#connection.query(
        mark
          ? `${isMove(mark) ? moveCheckpointStatement(mark) : fenceStatement(mark)};\n${commit}`
          : commit,
      );
    } catch (error) {
      const doesNotHold =
        mark !== null &&
        isServerError(error) &&
        error.errno === didNotMoveNumber;
      throw this.#fail(
        doesNotHold ? await this.#whyNotHeld(mark) : error,
        'commit',
      );
    }
    this.#state = 'committed';
    await this.#end();
  }

  async #whyNotHeld(mark: CommitMark): Promise<unknown> {
    try {
      await this.#connection.query('rollback');
      const { rows } = await this.#connection.query(
        readCheckpointStatement(mark.schema),
      );
      return notHeld(mark, rows[0]);
    } catch (error) {
      return error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') {
      return;
    }
    this.#state = 'ended';
    // What still waits for its turn is not begun any more.
    this.#failure ??= new ReplicatorError('E4008', {
      detail: 'the target transaction has ended',
    });
    await this.#last;
    try {
      if (this.#connection.answers) {
        const { isMariadb } = this.#connection.facts;
        await this.#connection.query(
          `${endStatement('rollback', isMariadb, this.#options.applyTimeoutMs)}; set session foreign_key_checks = 1`,
        );
      }
    } catch {
      // The server rolls back what it cannot hear about.
      this.#connection.destroy();
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#loan[Symbol.asyncDispose]();
  }

  async #catchUp(): Promise<void> {
    await this.#orphans.settle(this.#connection);
    for (const { work } of this.#postponed.splice(0)) {
      await work(this.#connection);
    }
  }

  /** What refers to rows that are to be deleted goes now, where it waited. */
  async #deleteChildrenOf(parent: TableShape): Promise<void> {
    if (
      this.#postponed.some(
        ({ table, isDelete }) => isDelete && refersTo(table, parent),
      )
    ) {
      await this.#catchUp();
    }
  }

  #conditions(keys: KeyRows): string[] {
    const rows = columnarRows(keys);
    return keyConditions(
      keys.table,
      keys.table.primaryKey.map((_, place) =>
        literalTexts(rows, place, this.#options.policies),
      ),
    );
  }

  /**
   * Encodes at once and writes in turn. A value that cannot be written fails
   * the transaction as the server would.
   */
  async #written(encode: () => RowWork): Promise<void> {
    this.#throwIfOver();
    let work: RowWork;
    try {
      work = encode();
    } catch (error) {
      throw this.#fail(error, 'statement');
    }
    const before = this.#last;
    const done = (async () => {
      await before;
      this.#throwIfOver();
      try {
        await work(this.#connection);
      } catch (error) {
        throw this.#fail(error, 'statement');
      }
    })();
    this.#last = done.catch(() => {});
    await done;
  }

  #throwIfOver(): void {
    this.#signal?.throwIfAborted();
    if (this.#failure) {
      throw this.#failure;
    }
    if (this.#state !== 'open') {
      throw new ReplicatorError('E4008', {
        detail: 'the target transaction has ended',
      });
    }
  }

  #fail(error: unknown, phase: Phase): Error {
    this.#failure ??= orAbort(targetFailure(error, phase), this.#signal);
    return this.#failure;
  }
}

function refersTo(child: TableShape, parent: TableShape): boolean {
  return child.foreignKeys.some(
    ({ parentSchema, parentTable }) =>
      parentSchema === parent.schema && parentTable === parent.name,
  );
}
