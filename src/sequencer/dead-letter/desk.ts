import { ReplicatorError } from '../../failure/failure.ts';
import {
  type Batch,
  type JsonText,
  type Mutation,
  type TableMutations,
} from '../../mutation/mutation.ts';
import { byVersion, sourceTime } from '../../mutation/row-version.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type {
  DeadLetterBox,
  DeadLetters,
  NewDeadLetter,
} from '../../target/dead-letters.ts';
import type {
  Applier,
  ApplyOrder,
  TableRows,
  TableShape,
  TargetTransaction,
} from '../../target/target.ts';
import { decodedTables } from '../reading/batch-tables.ts';
import { nameInShape } from '../reading/shape-names.ts';
import type { SequencerContext } from '../sequencer.ts';
import { lockedLetters } from './locked-letters.ts';
import { type OpenLetter, OpenLetters, type OpenRows } from './open-letters.ts';
import { routeTable, type TableRoute, type Verdict } from './route.ts';

/** What one open transaction has done to the letters so far. */
interface Notes {
  /** By table: rows as the transaction leaves them; null is closed. */
  readonly rows: Map<string, Map<JsonText, OpenLetter | null>>;
  readonly written: Set<Verdict>;
  readonly letters: NewDeadLetter[];
}

/** What was found out about the rows of one source transaction. */
export interface Finding {
  /** By table and key. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** In which the rest has passed its trial. */
  readonly order: ApplyOrder | null;
}

/** Under which a {@link Finding} has the verdict on a row. */
export function verdictName(table: string, key: JsonText): string {
  return `${table}\u0000${key}`;
}

/**
 * Stands before the applier: of each batch, takes out what goes to the dead
 * letters, and writes it there in the same transaction.
 *
 * Invariant: a row with an open letter never gets a version that lacks
 * columns, and letters are committed with the watermark behind them or not
 * at all. While nothing is set aside a batch costs one look at two numbers.
 */
export class DeadLetterDesk {
  readonly #context: SequencerContext;
  readonly #open = new OpenLetters();
  #isLoaded = false;
  readonly #findings = new Map<Timestamp, Finding>();
  readonly #notes = new WeakMap<TargetTransaction, Notes>();
  /** Of transactions that are not committed yet: by time where those keep an order. */
  readonly #unsettledByTime = new Map<Timestamp, Notes>();
  readonly #unsettledByRow = new WeakMap<Mutation, Notes>();
  /** True once there were any. */
  #hasUnsettledRows = false;
  readonly #commitInOrder: boolean;

  constructor(context: SequencerContext, commitInOrder: boolean) {
    this.#context = context;
    this.#commitInOrder = commitInOrder;
  }

  get letters(): DeadLetters {
    const { target, schema, options } = this.#context;
    return target.deadLetters(schema, options.dlqTableName);
  }

  /**
   * Reads which letters are open, if that is not known, or if somebody else
   * has closed all of them. No transaction must be open.
   */
  async load(signal: AbortSignal): Promise<void> {
    this.#unsettledByTime.clear();
    if (
      !this.#isLoaded ||
      (await this.#open.areAllClosed(this.letters, signal))
    ) {
      await this.#open.load(this.letters, signal).catch((error: unknown) => {
        // A table that this account may not read holds nothing it has written.
        const isForeign =
          error instanceof ReplicatorError &&
          error.code === 'E4007' &&
          this.#context.options.onRowError === 'halt';
        if (!isForeign) {
          throw error;
        }
      });
      this.#isLoaded = true;
      this.#context.observer.foundSetAside(this.#open.rowCounts);
    }
  }

  /** False where letters must be read anew before anything else is applied. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** The target is not what it was. */
  forget(): void {
    this.#isLoaded = false;
    this.#findings.clear();
  }

  /** Of a transaction in parts each part may add to what is known. */
  add(time: Timestamp, { verdicts, order }: Finding): void {
    const known = this.#findings.get(time)?.verdicts ?? [];
    this.#findings.set(time, {
      verdicts: new Map([...known, ...verdicts]),
      order,
    });
  }

  addAll(findings: ReadonlyMap<Timestamp, Finding>): void {
    for (const [time, finding] of findings) {
      this.add(time, finding);
    }
  }

  /** Whether a letter of the row may be open, as far as is known here. */
  isSetAside(table: string, key: JsonText): boolean {
    return this.#open.get(table)?.has(key) ?? false;
  }

  /** See {@link OpenLetters.locksOf}. */
  locksOf(tables: readonly TableMutations[]): readonly string[] {
    return this.#open.isEmpty ? [] : this.#open.locksOf(tables);
  }

  /** How many letters may still be written; makes their table where there is none. */
  async room(signal: AbortSignal): Promise<number> {
    const { letters } = this;
    await letters.prepare(signal);
    const openCount = await letters.count({}, signal);
    this.#open.counted(openCount);
    return Math.max(0, this.#context.options.dlqLimit - openCount);
  }

  hasFinding(time: Timestamp): boolean {
    return this.#findings.has(time);
  }

  drop(time: Timestamp): void {
    this.#findings.delete(time);
  }

  dropFindings(): void {
    this.#findings.clear();
  }

  /** Of these rows alone: others of the same times may come in other requests. */
  dropAll(tables: readonly TableMutations[]): void {
    for (const { table, mutations } of tables) {
      for (const { time, key } of mutations) {
        const finding = this.#findings.get(time);
        if (finding?.verdicts.has(verdictName(table, key))) {
          const verdicts = new Map(finding.verdicts);
          verdicts.delete(verdictName(table, key));
          this.#findings.set(time, { ...finding, verdicts });
        }
        if (this.#findings.get(time)?.verdicts.size === 0) {
          this.drop(time);
        }
      }
    }
  }

  /** The name under which the schema knows the table. */
  nameOf(table: TableShape): string {
    return nameInShape(table, this.#context.shape());
  }

  applier(inner: Applier): Applier {
    return {
      apply: async (tables, transaction, signal, order) => {
        this.beginAnew(tables);
        return this.isIdle || order === 'park'
          ? inner.apply(
              this.isIdle ? tables : this.#surelyWritten(tables),
              transaction,
              signal,
              order,
            )
          : inner.apply(
              await this.#sortOut(decodedTables(tables), transaction),
              transaction,
              signal,
              this.#orderOf(tables) ?? order,
            );
      },
    };
  }

  /**
   * The rows come in another transaction: what an earlier one has done to
   * letters is taken back. Asked of all rows of a request, also of those that
   * are left out this time. Rows that are encoded are other objects in each
   * batch, and need not be decoded for that.
   */
  beginAnew(tables: readonly Omit<TableMutations, 'table'>[]): void {
    if (this.#hasUnsettledRows) {
      for (const part of tables) {
        for (const mutation of part.encoded ? [] : part.mutations) {
          this.#unsettledByRow.delete(mutation);
        }
      }
    }
  }

  /**
   * Rows that give up their values are written later on in any case: one that
   * may go to the letters keeps what it has.
   */
  #surelyWritten(tables: readonly TableRows[]): TableRows[] {
    return tables.map(({ table, mutations }) => {
      const name = this.nameOf(table);
      return {
        table,
        mutations: mutations.filter(
          ({ key, time }) =>
            !this.isSetAside(name, key) &&
            !this.#findings.get(time)?.verdicts.has(verdictName(name, key)),
        ),
      };
    });
  }

  /** Of rows that are about to be tried, those that do not go to the letters. */
  async withoutLetters(
    staged: readonly TableRows[],
    signal: AbortSignal,
  ): Promise<readonly TableRows[]> {
    const tables = decodedTables(staged);
    if (this.isIdle) {
      return tables;
    }
    await using transaction = await this.#context.target.begin(signal);
    const notes: Notes = { rows: new Map(), written: new Set(), letters: [] };
    const box = this.#boxOf(transaction);
    const goes: TableRows[] = [];
    for (const rows of tables) {
      const route = await this.#routeRows(rows, box, notes);
      goes.push(route?.goes ?? rows);
    }
    return goes.filter(({ mutations }) => mutations.length > 0);
  }

  /** Every batch passes as it is. */
  get isIdle(): boolean {
    return this.#open.isEmpty && this.#findings.size === 0;
  }

  /** A batch is committed: what it did to the letters is the truth now. */
  committed(batch: Batch): void {
    if (this.isIdle) {
      return;
    }
    for (const notes of this.#notesOfBatch(batch)) {
      this.#settle(notes);
    }
    if (this.#commitInOrder) {
      this.forgetThrough(batch.through);
    }
  }

  /** Findings at or before the time are of no more use. */
  forgetThrough(time: Timestamp): void {
    for (const known of this.#findings.keys()) {
      if (known <= time) {
        this.#findings.delete(known);
      }
    }
  }

  #notesOfBatch({ through, tables }: Batch): Set<Notes> {
    const found = new Set<Notes>();
    if (this.#commitInOrder) {
      const notes = this.#unsettledByTime.get(through);
      this.#unsettledByTime.delete(through);
      if (notes) {
        found.add(notes);
      }
    } else {
      for (const { mutations } of tables) {
        for (const mutation of mutations) {
          const notes = this.#unsettledByRow.get(mutation);
          if (notes) {
            found.add(notes);
          }
        }
      }
    }
    return found;
  }

  #settle({ rows, letters }: Notes): void {
    for (const [table, states] of rows) {
      this.#open.settle(table, states);
    }
    if (letters.length > 0) {
      this.#open.written(letters.length);
      this.#context.observer.setAside(letters);
    }
  }

  /** The plan under which the one source transaction of the batch was tried. */
  #orderOf(tables: readonly TableRows[]): ApplyOrder | null {
    const time = tables[0]?.mutations[0]?.time;
    return (time && this.#findings.get(time)?.order) ?? null;
  }

  #boxOf(transaction: TargetTransaction): DeadLetterBox {
    const { schema, options } = this.#context;
    return transaction.deadLetters(schema, options.dlqTableName);
  }

  /** Writes what concerns the letters; the rest is for the tables. */
  async #sortOut(
    tables: readonly TableRows[],
    transaction: TargetTransaction,
  ): Promise<readonly TableRows[]> {
    const notes = this.#notesOf(transaction);
    const box = this.#boxOf(transaction);
    const goes: TableRows[] = [];
    const letters: NewDeadLetter[] = [];
    for (const rows of tables) {
      const route = await this.#routeRows(rows, box, notes);
      if (route === null) {
        goes.push(rows);
        continue;
      }
      if (route.goes.mutations.length > 0) {
        goes.push(route.goes);
      }
      letters.push(...route.letters);
      const name = this.nameOf(rows.table);
      if (route.isEmptied) {
        await box.supersedeTable(name);
      }
      if (route.superseded.size > 0) {
        await box.supersede(name, [...route.superseded]);
      }
    }
    await this.#write(letters, box, notes);
    this.#awaitCommit(tables, notes);
    return goes;
  }

  #awaitCommit(tables: readonly TableRows[], notes: Notes): void {
    let through: Timestamp | null = null;
    for (const { mutations } of tables) {
      for (const mutation of mutations) {
        if (!this.#commitInOrder) {
          this.#hasUnsettledRows = true;
          this.#unsettledByRow.set(mutation, notes);
        } else if (through === null || mutation.time > through) {
          through = mutation.time;
        }
      }
    }
    if (through !== null) {
      this.#unsettledByTime.set(through, notes);
    }
  }

  async #write(
    letters: NewDeadLetter[],
    box: DeadLetterBox,
    notes: Notes,
  ): Promise<void> {
    if (letters.length === 0) {
      return;
    }
    const { dlqLimit } = this.#context.options;
    if (
      this.#open.letterCount + notes.letters.length + letters.length >
      dlqLimit
    ) {
      throw new ReplicatorError('E3013', {
        detail: `${this.#open.letterCount} rows are set aside, and ${letters.length} more would have to be (--dlqLimit ${dlqLimit})`,
      });
    }
    letters.sort((a, b) => byVersion(a.mutation, b.mutation));
    for (const letter of letters) {
      this.#open.expect(letter);
    }
    await box.add(letters);
    notes.letters.push(...letters);
  }

  /** Null where nothing in the table concerns the letters. */
  async #routeRows(
    rows: TableRows,
    box: DeadLetterBox,
    notes: Notes,
  ): Promise<TableRoute | null> {
    const name = this.nameOf(rows.table);
    const verdictOf = (mutation: Mutation): Verdict | undefined => {
      const { time, key } = mutation;
      const verdict = this.#findings
        .get(time)
        ?.verdicts.get(verdictName(name, key));
      return verdict && isLater(mutation, verdict) ? undefined : verdict;
    };
    const known = await this.#openRows(rows, box, notes);
    if (known === null && !rows.mutations.some(verdictOf)) {
      return null;
    }
    const open = known ?? new Map<JsonText, OpenLetter>();
    const before = [...open.keys()];
    const { written } = notes;
    const route = routeTable(this.#withoutOlder(rows, open, notes), {
      name,
      open,
      verdictOf,
      written,
    });
    const states = notes.rows.get(name) ?? new Map();
    notes.rows.set(name, states);
    for (const key of [...before, ...states.keys()]) {
      states.set(key, null);
    }
    for (const [key, letter] of open) {
      states.set(key, letter);
    }
    return route;
  }

  /**
   * Where rows do not come in the order of the source, one that is not later
   * than the letter of its key has been dealt with: it must not close it.
   */
  #withoutOlder(rows: TableRows, open: OpenRows, notes: Notes): TableRows {
    const ours = notes.rows.get(this.nameOf(rows.table));
    const isOlder = (mutation: Mutation): boolean => {
      const { key } = mutation;
      const letter = ours?.get(key) ? undefined : open.get(key);
      return letter?.time !== undefined && sourceTime(mutation) <= letter.time;
    };
    return this.#commitInOrder || rows.table.primaryKey.length === 0
      ? rows
      : {
          table: rows.table,
          mutations: rows.mutations.filter((mutation) => !isOlder(mutation)),
        };
  }

  /**
   * Rows of the table that are open under lock; null where the batch touches
   * none that might be.
   */
  async #openRows(
    { table, mutations }: TableRows,
    box: DeadLetterBox,
    notes: Notes,
  ): Promise<OpenRows | null> {
    const name = this.nameOf(table);
    const known = this.#open.get(name);
    const ours = notes.rows.get(name);
    if (known === undefined && ours === undefined) {
      return null;
    }
    this.#refuseForeignKeys(table, name);
    const locked = await lockedLetters(mutations, { known, ours }, (keys) =>
      box.lockKeys(name, keys),
    );
    if (locked === null) {
      return null;
    }
    const states = ours ?? new Map<JsonText, OpenLetter | null>();
    notes.rows.set(name, states);
    for (const key of locked.closed) {
      states.set(key, null);
    }
    return locked.open;
  }

  /**
   * Where the table has got another primary key, or its columns another order,
   * a version that comes would miss the letter of its row, or close another's.
   */
  #refuseForeignKeys({ primaryKey }: TableShape, name: string): void {
    const names = primaryKey.map((column) => column.name);
    const foreign = this.#open.foreignLayout(name, names);
    if (foreign === null) {
      return;
    }
    // By the next attempt an operator may have seen to them.
    this.#isLoaded = false;
    throw new ReplicatorError('E4018', {
      detail: `the primary key of the target table ${this.#context.schema}.${name} is (${names.join(', ')}), and it has open dead letters that are keyed by (${foreign.join(', ')})`,
      remedy: `retry or discard them (replicator dlq retry --table ${name}), or give the table that primary key back: the daemon goes on by itself`,
    });
  }

  #notesOf(transaction: TargetTransaction): Notes {
    let notes = this.#notes.get(transaction);
    if (!notes) {
      notes = { rows: new Map(), written: new Set(), letters: [] };
      this.#notes.set(transaction, notes);
    }
    return notes;
  }
}

/**
 * Versions of one scan take effect at one time, and may come in several
 * requests: a later one is another matter.
 */
function isLater(mutation: Mutation, { mutations }: Verdict): boolean {
  return (
    mutations.length > 0 &&
    mutations.every((judged) => byVersion(mutation, judged) > 0)
  );
}
