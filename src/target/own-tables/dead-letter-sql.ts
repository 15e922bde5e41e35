/**
 * The SQL of the dead-letter table, as far as it is the same on every engine;
 * what differs is the engine's {@link DeadLetterDialect}.
 */
import { redactText } from '../../config/redact.ts';
import { createHash } from 'node:crypto';
import type { JsonText } from '../../mutation/mutation.ts';
import { sourceTime } from '../../mutation/row-version.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type {
  DeadLetter,
  DeadLetterFilter,
  NewDeadLetter,
} from '../dead-letters.ts';

/** `--dlqTableName` where it is not given. */
export const defaultDeadLetterTable = 'replicator_dlq';

/** What `dlq_name` says of rows that were set aside because they failed. */
const failedRowsName = 'replicator';

/** Short texts have an index or are compared; long ones are only kept. */
export type ValueKind = 'text' | 'long' | 'number';

export interface DeadLetterStatement {
  readonly text: string;
  readonly values: readonly string[];
  readonly kinds: readonly ValueKind[];
}

/** As a driver answers it. */
export type DeadLetterRow = Readonly<Record<string, unknown>>;

export interface SelectParts {
  readonly columns: readonly string[];
  readonly where: string;
  /** By what they are found; locked until the transaction ends, and nothing else. */
  readonly locks?: 'keys' | 'ids';
  /** In the order of the letters, no more than so many. */
  readonly limit?: number;
}

export interface DeadLetterDialect {
  /** Quoted, with its schema. */
  tableName(schema: SchemaName, name: string): string;
  /** The one statement that makes the table and its index. */
  createStatement(table: string): string;
  /** The statements that give columns, and the index, to a table that lacks them. */
  alterStatements(table: string, missing: readonly string[]): string;
  /**
   * One row for each column: `name`, and `fits`, which is '0' where its type
   * cannot hold what we write there. No row where there is no table.
   */
  columnsStatement(schema: SchemaName, name: string): DeadLetterStatement;
  /** How value number `index` (from 0) stands in a statement. */
  placeholder(index: number, kind: ValueKind): string;
  /** In place of binding, where an engine writes values into the text. */
  literal?(value: string, kind: ValueKind): string;
  selectStatement(table: string, parts: SelectParts): string;
  /** The table as it stands in an UPDATE by keys, in an UPDATE or DELETE by ids. */
  updated(table: string): string;
  deleted(table: string): string;
  /** The instant of the statement, as `created_at` keeps it. */
  readonly now: string;
  /** SQL of a column that keeps an instant, as ISO 8601 text in UTC. */
  instant(column: string): string;
  /** How many letters one INSERT may have. */
  readonly rowsPerInsert: number;
  readonly idsPerStatement: number;
  isMissingTable(error: unknown): boolean;
  mayNotCreate(error: unknown): boolean;
  isAlreadyThere(error: unknown): boolean;
}

/** The peer's columns that are written; `event` is generated. */
export const peerColumns = [
  'event',
  'dlq_name',
  'source_nanos',
  'source_logical',
  'data_after',
  'data_before',
] as const;

/** Ours; null in rows that the peer wrote. */
export const ownColumns = [
  'table_name',
  'row_key',
  'row_key_hash',
  'key_columns',
  'moved_from',
  'code',
  'cause',
  'created_at',
  'superseded_at',
] as const;

/** Rows of the peer have no code. */
const isOwn = 'code is not null and row_key_hash is not null';
const isOpen = `${isOwn} and superseded_at is null`;

/** A statement is not longer than about this, nor has more hashes. */
const insertTextLength = 1 << 20;
const hashesPerStatement = 200;

/** Collects what a statement binds, in the order of its text. */
class Bindings {
  readonly values: string[] = [];
  readonly kinds: ValueKind[] = [];
  readonly #dialect: DeadLetterDialect;

  constructor(dialect: DeadLetterDialect) {
    this.#dialect = dialect;
  }

  bind(value: string, kind: ValueKind = 'text'): string {
    if (this.#dialect.literal) {
      return this.#dialect.literal(value, kind);
    }
    this.values.push(value);
    this.kinds.push(kind);
    return this.#dialect.placeholder(this.values.length - 1, kind);
  }

  statement(text: string): DeadLetterStatement {
    return { text, values: this.values, kinds: this.kinds };
  }
}

export class DeadLetterSql {
  readonly dialect: DeadLetterDialect;
  readonly table: string;

  constructor(dialect: DeadLetterDialect, schema: SchemaName, name: string) {
    this.dialect = dialect;
    this.table = dialect.tableName(schema, name);
  }

  insert(letters: readonly NewDeadLetter[]): DeadLetterStatement[] {
    return chunked(letters, this.dialect.rowsPerInsert).map((chunk) => {
      const bindings = new Bindings(this.dialect);
      const rows = chunk.map((letter) => this.#rowOf(letter, bindings));
      return bindings.statement(
        `insert into ${this.table} (${insertedColumns.join(', ')})\nvalues ${rows.join(',\n')}`,
      );
    });
  }

  #rowOf(
    { table, keyColumns, mutation, code, cause }: NewDeadLetter,
    bindings: Bindings,
  ): string {
    const { key, after, before, movedFrom } = mutation;
    const time = sourceTime(mutation);
    const long = (value: string | null | undefined): string =>
      value == null ? 'null' : bindings.bind(value, 'long');
    const values = [
      bindings.bind(failedRowsName),
      bindings.bind(String(BigInt(time.slice(0, 19))), 'number'),
      bindings.bind(String(Number(time.slice(20))), 'number'),
      long(after),
      long(before),
      bindings.bind(table),
      long(key),
      bindings.bind(keyHash(key)),
      long(JSON.stringify(keyColumns)),
      long(movedFrom),
      bindings.bind(code),
      long(plainText(cause) || null),
      this.dialect.now,
    ];
    return `(${values.join(', ')})`;
  }

  openKeys(): DeadLetterStatement {
    return new Bindings(this.dialect).statement(
      this.#select({ columns: ['table_name', 'row_key'], where: isOpen }),
    );
  }

  list(
    filter: DeadLetterFilter,
    limit: number,
    after: string | null,
  ): DeadLetterStatement {
    const bindings = new Bindings(this.dialect);
    const where = filterConditions(filter, bindings);
    if (after !== null) {
      where.push(`event > ${bindings.bind(after, 'number')}`);
    }
    return bindings.statement(
      this.#select({
        columns: this.#letter,
        where: where.join(' and '),
        limit,
      }),
    );
  }

  count(filter: DeadLetterFilter): DeadLetterStatement {
    const bindings = new Bindings(this.dialect);
    const where = filterConditions(filter, bindings);
    return bindings.statement(
      `select count(*) as letters from ${this.table} where ${where.join(' and ')}`,
    );
  }

  lock(table: string, keys: readonly JsonText[]): DeadLetterStatement[] {
    return this.#byKeys(table, keys, (where) =>
      this.#select({
        columns: ['row_key', 'source_nanos', 'source_logical'],
        where,
        locks: 'keys',
      }),
    );
  }

  supersede(table: string, keys: readonly JsonText[]): DeadLetterStatement[] {
    return this.#byKeys(table, keys, (where) => this.#supersede(where));
  }

  supersedeTable(table: string): DeadLetterStatement {
    const bindings = new Bindings(this.dialect);
    const where = `table_name = ${bindings.bind(table)} and ${isOpen}`;
    return bindings.statement(this.#supersede(where));
  }

  take(ids: readonly string[]): DeadLetterStatement[] {
    return this.#byIds(ids, (where) =>
      this.#select({ columns: this.#letter, where, locks: 'ids' }),
    );
  }

  remove(ids: readonly string[]): DeadLetterStatement[] {
    return this.#byIds(
      ids,
      (where) =>
        `delete from ${this.dialect.deleted(this.table)} where ${where}`,
    );
  }

  explain(
    ids: readonly string[],
    { code, cause }: Pick<NewDeadLetter, 'code' | 'cause'>,
  ): DeadLetterStatement[] {
    const table = this.dialect.deleted(this.table);
    let set = '';
    return this.#byIds(
      ids,
      (where) =>
        `update ${table} set ${set} where ${where} and superseded_at is null`,
      (bindings) => {
        set = `code = ${bindings.bind(code)}, cause = ${bindings.bind(plainText(cause), 'long')}`;
      },
    );
  }

  get #letter(): string[] {
    const instants = ['created_at', 'superseded_at'];
    return [...peerColumns, ...ownColumns]
      .filter((name) => name !== 'dlq_name' && name !== 'row_key_hash')
      .map((name) =>
        instants.includes(name)
          ? `${this.dialect.instant(name)} as ${name}`
          : name,
      );
  }

  #select(parts: SelectParts): string {
    return this.dialect.selectStatement(this.table, parts);
  }

  #supersede(where: string): string {
    return `update ${this.dialect.updated(this.table)} set superseded_at = ${this.dialect.now} where ${where}`;
  }

  #byKeys(
    table: string,
    keys: readonly JsonText[],
    textOf: (where: string) => string,
  ): DeadLetterStatement[] {
    // In one order, so that two who lock the same keys do not cross.
    const hashes = [...new Set(keys.map(keyHash))].toSorted();
    return chunked(hashes, hashesPerStatement).map((chunk) => {
      const bindings = new Bindings(this.dialect);
      const name = bindings.bind(table);
      const list = chunk.map((hash) => bindings.bind(hash)).join(', ');
      return bindings.statement(
        textOf(
          `table_name = ${name} and row_key_hash in (${list}) and ${isOpen}`,
        ),
      );
    });
  }

  #byIds(
    ids: readonly string[],
    statementOf: (where: string) => string,
    bindFirst: (bindings: Bindings) => void = () => {},
  ): DeadLetterStatement[] {
    const ascending = [...new Set(ids.filter(isId))].toSorted(byId);
    return chunked(ascending, this.dialect.idsPerStatement).map((chunk) => {
      const bindings = new Bindings(this.dialect);
      bindFirst(bindings);
      const list = chunk.map((id) => bindings.bind(id, 'number')).join(', ');
      return bindings.statement(statementOf(`event in (${list}) and ${isOwn}`));
    });
  }
}

const insertedColumns = [...peerColumns, ...ownColumns].filter(
  (name) => name !== 'event' && name !== 'superseded_at',
);

/** Without secrets, and U+0000, which no text of PostgreSQL holds. */
function plainText(cause: string): string {
  return redactText(cause).replaceAll('\0', '\u{fffd}');
}

/** Never empty: somebody else's rows are not ours to show. */
function filterConditions(
  filter: DeadLetterFilter,
  bindings: Bindings,
): string[] {
  const where = [filter.includeSuperseded ? isOwn : isOpen];
  if (filter.ids) {
    const ids = filter.ids.filter(isId);
    where.push(
      ids.length === 0
        ? '1 = 0'
        : `event in (${ids.map((id) => bindings.bind(id, 'number')).join(', ')})`,
    );
  }
  if (filter.table !== undefined) {
    where.push(`table_name = ${bindings.bind(filter.table)}`);
  }
  if (filter.key !== undefined) {
    where.push(`row_key_hash = ${bindings.bind(keyHash(filter.key))}`);
  }
  if (filter.code !== undefined) {
    where.push(`code = ${bindings.bind(filter.code)}`);
  }
  if (filter.from !== undefined) {
    where.push(beyond(filter.from, '>', bindings));
  }
  if (filter.through !== undefined) {
    where.push(beyond(filter.through, '<', bindings));
  }
  return where;
}

function beyond(time: Timestamp, side: '<' | '>', bindings: Bindings): string {
  const nanos = String(BigInt(time.slice(0, 19)));
  const logical = String(Number(time.slice(20)));
  return `(source_nanos ${side} ${bindings.bind(nanos, 'number')} or source_nanos = ${bindings.bind(nanos, 'number')} and source_logical ${side}= ${bindings.bind(logical, 'number')})`;
}

/** The letter of a row that {@link DeadLetterSql} asked for. */
export function letterOf(row: DeadLetterRow): DeadLetter {
  const text = (name: string): string | null =>
    row[name] == null ? null : String(row[name] as string | number);
  const instant = (name: string): Date | null => {
    const value = text(name);
    return value === null ? null : new Date(value);
  };
  const movedFrom = text('moved_from');
  return {
    id: text('event')!,
    table: text('table_name')!,
    keyColumns: JSON.parse(text('key_columns') ?? '[]') as string[],
    mutation: {
      time: timeOf(row),
      key: text('row_key') as JsonText,
      after: text('data_after') as JsonText | null,
      before: text('data_before') as JsonText | null,
      ...(movedFrom !== null && { movedFrom: movedFrom as JsonText }),
    },
    code: text('code')!,
    cause: text('cause') ?? '',
    createdAt: instant('created_at') ?? new Date(0),
    supersededAt: instant('superseded_at'),
  };
}

/** Of a row with `source_nanos` and `source_logical`. */
export function timeOf(row: DeadLetterRow): Timestamp {
  const [nanos, logical] = ['source_nanos', 'source_logical'].map((name) =>
    String(row[name] as string | number),
  ) as [string, string];
  return `${nanos.padStart(19, '0')}.${logical.padStart(10, '0')}` as Timestamp;
}

function keyHash(key: JsonText): string {
  return createHash('sha256').update(key).digest('hex');
}

function isId(id: string): boolean {
  return /^\d{1,18}$/.test(id);
}

/** Ascending, as numbers. */
export function byId(a: string, b: string): number {
  return Number(BigInt(a) - BigInt(b));
}

function chunked<T extends string | NewDeadLetter>(
  list: readonly T[],
  maxCount: number,
): T[][] {
  const chunks: T[][] = [];
  let length = 0;
  for (const each of list) {
    const ownLength = typeof each === 'string' ? 0 : lengthOf(each);
    const chunk = chunks.at(-1);
    if (
      chunk &&
      chunk.length < maxCount &&
      length + ownLength <= insertTextLength
    ) {
      chunk.push(each);
      length += ownLength;
    } else {
      chunks.push([each]);
      length = ownLength;
    }
  }
  return chunks;
}

function lengthOf({ mutation, cause }: NewDeadLetter): number {
  const { key, after, before, movedFrom } = mutation;
  return (
    key.length +
    (after?.length ?? 0) +
    (before?.length ?? 0) +
    (movedFrom?.length ?? 0) +
    cause.length
  );
}
