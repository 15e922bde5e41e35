/** One open transaction of the Oracle target. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { Loan } from '../connections/connection-pool.ts';
import type {
  ColumnShape,
  KeyMoves,
  KeyRows,
  ShapeRows,
  TableShape,
  TargetTransaction,
  CommitMark,
} from '../target.ts';
import {
  type BindGroup,
  type BindOptions,
  bindGroups,
  pickColumns,
  rowsText,
} from './values/binds.ts';
import {
  type RunStatement,
  TransactionDeadLetters,
} from '../own-tables/dead-letter-table.ts';
import type { DeadLetterBox } from '../dead-letters.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { requireColumns } from '../values/require-columns.ts';
import { requireKey } from '../require-key.ts';
import { isMove, notHeld } from '../watermark.ts';
import { cancelOnAbort, orAbort } from '../connections/cancel.ts';
import {
  deadLetterDialect,
  runDeadLetterStatement,
} from './statements/dead-letter-statements.ts';
import type { FailedRow, OracleSession } from './session/driver.ts';
import { type Phase, oraNumberOf, targetFailure } from './session/errors.ts';
import {
  moveKeysStatement,
  moveKeyStatement,
  movedColumns,
  movesTogether,
} from './statements/key-moves.ts';
import {
  deleteEqualStatement,
  emptyStatement,
  insertStatement,
  refuseXml,
} from './statements/keyless-statements.ts';
import {
  deleteStatement,
  nullStatement,
  oracleSchema,
  passUniqueStatement,
  updateStatement,
  upsertStatement,
} from './statements/statements.ts';
import { parkingRules } from './statements/parking.ts';
import {
  type WriteOrder,
  deletePlan,
  keylessOrder,
  refuseFixedIdentity,
  upsertSteps,
  vacatedColumns,
} from './statements/upsert-plan.ts';
import {
  commitStatement,
  fenceStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';
import { textValues } from '../row-values.ts';

/** A row refused by a foreign key: perhaps by one to a row of its own batch. */
const foreignKeyNumbers: readonly (number | null)[] = [2291, 2292];

export class OracleTransaction implements TargetTransaction {
  readonly #loan: Loan<OracleSession>;
  readonly #connection: OracleSession;
  readonly #isBlocked: () => Promise<boolean | null>;
  readonly #bindOptions: BindOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #watch: Disposable;
  #state: 'open' | 'committed' | 'ended' = 'open';
  /** What was called before: each call runs when the one before has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #failure: Error | null = null;

  constructor(
    loan: Loan<OracleSession>,
    {
      isBlocked,
      bindOptions,
      signal,
    }: {
      readonly isBlocked: () => Promise<boolean | null>;
      readonly bindOptions: BindOptions;
      readonly signal: AbortSignal | undefined;
    },
  ) {
    this.#loan = loan;
    this.#connection = loan.connection;
    this.#isBlocked = isBlocked;
    this.#bindOptions = bindOptions;
    this.#signal = signal;
    this.#watch = cancelOnAbort(loan.connection, signal);
  }

  async upsert(rows: ShapeRows): Promise<void> {
    await this.#inTurn('statement', async () => {
      const { table, columns: carried } = rows;
      const steps = upsertSteps(rows);
      // Once: whatever is written otherwise than it came is told of once.
      const bound = bindGroups(rows, this.#bindOptions);
      for (const step of steps) {
        if (step.kind === 'pass') {
          await this.#pass(rows, step.columns, bound);
          continue;
        }
        const { columns, nulled, order } = step;
        for (const each of bound) {
          const group = pickColumns(each, carried, columns);
          const text = upsertStatement(table, columns, {
            replace: rows.replace === true,
            modes: group.modes,
            nulled,
          });
          await this.#execute(text, group, order);
        }
      }
    });
  }

  readonly parking = parkingRules;

  async update(rows: ShapeRows): Promise<void> {
    await this.#inTurn('statement', async () => {
      const { table, columns } = rows;
      requireKey(table);
      const given = columns.filter(({ keyOrdinal }) => keyOrdinal === null);
      const bound = bindGroups(rows, this.#bindOptions).map((group) =>
        pickColumns(group, columns, [...given, ...table.primaryKey]),
      );
      await this.#executeAll(updateStatement(table, given), bound);
    });
  }

  async delete(keys: KeyRows): Promise<void> {
    await this.#inTurn('statement', async () => {
      const { loosened, order } = deletePlan(keys.table, keys.rowCount);
      const groups = this.#keyGroups(keys);
      if (loosened.length > 0) {
        await this.#executeAll(nullStatement(keys.table, loosened), groups);
      }
      for (const group of groups) {
        await this.#execute(deleteStatement(keys.table), group, order);
      }
    });
  }

  async vacateUniqueKeys(keys: KeyRows): Promise<boolean> {
    requireKey(keys.table);
    const columns = vacatedColumns(keys.table);
    if (columns === null) {
      return false;
    }
    await this.#inTurn('statement', () =>
      this.#executeAll(
        nullStatement(keys.table, columns),
        this.#keyGroups(keys),
      ),
    );
    return true;
  }

  async moveKeys({ table, from, to, rowCount }: KeyMoves): Promise<void> {
    await this.#inTurn('statement', async () => {
      requireKey(table);
      refuseFixedIdentity(table, table.primaryKey);
      const moved = movedColumns(table);
      if (moved.length === 0) {
        return;
      }
      const groups = bindGroups(
        {
          table,
          columns: [...moved, ...table.primaryKey],
          values: textValues(
            [...moved.map(({ keyOrdinal }) => to[keyOrdinal!]!), ...from],
            rowCount,
          ),
          rowCount,
        },
        this.#bindOptions,
      );
      if (rowCount > 1 && movesTogether(table)) {
        await this.#connection.run(
          moveKeysStatement(table),
          [rowsText(groups)],
          { isClob: true },
        );
      } else {
        await this.#executeAll(moveKeyStatement(table), groups);
      }
    });
  }

  async insert(rows: ShapeRows): Promise<void> {
    await this.#inTurn('statement', async () => {
      requireColumns(rows);
      refuseFixedIdentity(rows.table, rows.columns);
      await this.#keyless(rows, insertStatement);
    });
  }

  async deleteEqual(rows: ShapeRows): Promise<void> {
    await this.#inTurn('statement', async () => {
      requireColumns(rows);
      refuseXml(rows);
      await this.#keyless(rows, deleteEqualStatement);
    });
  }

  /** Identity counters are left alone: to set them back would commit. */
  async truncate(tables: readonly TableShape[]): Promise<void> {
    await this.#inTurn('statement', async () => {
      for (const table of tables) {
        await this.#connection.run(emptyStatement(table));
      }
    });
  }

  deadLetters(schema: SchemaName, tableName: string): DeadLetterBox {
    const run: RunStatement = async (statement) => {
      let rows: Awaited<ReturnType<RunStatement>> = [];
      await this.#inTurn('statement', async () => {
        rows = await runDeadLetterStatement(this.#connection, statement);
      });
      return rows;
    };
    return new TransactionDeadLetters(
      { dialect: deadLetterDialect, schema, tableName },
      run,
    );
  }

  async checkConstraints(): Promise<void> {
    await this.#inTurn('statement', async () => {
      await this.#connection.run('set constraints all immediate');
    });
  }

  async keepAlive(): Promise<void> {
    await this.#inTurn('statement', async () => {
      await this.#connection.run('begin null; end;');
    });
  }

  waitsForLock(): Promise<boolean | null> {
    return this.#isBlocked();
  }

  async commit(mark: CommitMark | null): Promise<void> {
    await this.#inTurn('commit', async () => {
      if (mark && (await this.#mark(mark)) !== 1) {
        throw await this.#whyNotHeld(mark);
      }
      await this.#connection.commit(commitStatement);
    });
    this.#state = 'committed';
    await this.#end();
  }

  /** How many rows the mark has touched. */
  #mark(mark: CommitMark): Promise<number> {
    const schema = oracleSchema(mark.schema);
    return isMove(mark)
      ? this.#connection.run(moveCheckpointStatement(mark.schema), [
          mark.checkpoint.applied,
          schema,
          String(mark.checkpoint.epoch),
          mark.previous,
        ])
      : this.#connection.run(fenceStatement(mark.schema), [
          schema,
          String(mark.epoch),
        ]);
  }

  async #whyNotHeld(mark: CommitMark): Promise<unknown> {
    try {
      await this.#connection.rollback();
      const [there] = await this.#connection.query(
        readCheckpointStatement(mark.schema),
        [oracleSchema(mark.schema)],
      );
      return notHeld(mark, there);
    } catch (error) {
      return error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') {
      return;
    }
    this.#state = 'ended';
    try {
      await this.#last;
    } catch {
      // Whoever called it has heard of it.
    }
    try {
      if (this.#connection.usable) {
        await this.#connection.rollback();
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

  async #pass(
    { table, columns: carried }: ShapeRows,
    passed: readonly ColumnShape[],
    bound: readonly BindGroup[],
  ): Promise<void> {
    const columns = [...table.primaryKey, ...passed];
    const text = rowsText(
      bound.map((group) => pickColumns(group, carried, columns)),
    );
    await this.#connection.run(passUniqueStatement(table, passed), [text], {
      isClob: true,
    });
  }

  async #keyless(
    rows: ShapeRows,
    statement: typeof insertStatement,
  ): Promise<void> {
    const order = keylessOrder(rows);
    for (const group of bindGroups(rows, this.#bindOptions)) {
      await this.#execute(
        statement(rows.table, rows.columns, group.modes),
        group,
        order,
      );
    }
  }

  #keyGroups({ table, keys, rowCount }: KeyRows): BindGroup[] {
    return bindGroups(
      {
        table,
        columns: table.primaryKey,
        values: textValues(keys, rowCount),
        rowCount,
      },
      this.#bindOptions,
    );
  }

  async #executeAll(text: string, groups: readonly BindGroup[]): Promise<void> {
    for (const group of groups) {
      await this.#execute(text, group, 'any');
    }
  }

  async #execute(
    text: string,
    group: BindGroup,
    order: WriteOrder,
  ): Promise<void> {
    if (order === 'any') {
      await this.#connection.executeMany(text, group);
      return;
    }
    let { rows } = group;
    while (rows.length > 0) {
      const failed = await this.#connection.executeMany(
        text,
        { ...group, rows },
        { goesOn: true },
      );
      throwUnlessProgress(failed, rows.length);
      rows = failed.map(({ row }) => rows[row]!);
    }
  }

  /** Runs when the call before it has ended, and not at all when that failed. */
  async #inTurn(phase: Phase, work: () => Promise<void>): Promise<void> {
    this.#throwIfOver();
    const before = this.#last;
    const running = (async () => {
      try {
        await before;
        this.#throwIfOver();
        await work();
      } catch (error) {
        this.#failure ??= orAbort(targetFailure(error, phase), this.#signal);
        throw this.#failure;
      }
    })();
    this.#last = running;
    await running;
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
}

function throwUnlessProgress(
  failed: readonly FailedRow[],
  rowCount: number,
): void {
  const other = failed.find(
    ({ error }) => !foreignKeyNumbers.includes(oraNumberOf(error)),
  );
  if (other) {
    throw other.error;
  }
  if (failed.length === rowCount) {
    throw failed[0]!.error;
  }
}
