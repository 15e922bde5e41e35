/**
 * How rows of one shape are written on one connection: through a temporary
 * table that LOAD DATA fills, or through one JSON parameter. Both end in the
 * same statements (upsert-plan.ts), and so in the same rows.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { lacksNeeded } from '../../row-shape.ts';
import type { ShapeRows } from '../../target.ts';
import type { ValuePolicies } from '../../value-policy.ts';
import { codecOf } from '../values/codec.ts';
import type {
  Answer,
  MysqlConnection,
  ServerFacts,
} from '../session/driver.ts';
import { type LoadedRows, loadedRows } from '../values/load-file.ts';
import { jsonRows, packetChunks } from '../values/row-encoding.ts';
import { jsonSource, temporarySource } from '../values/row-source.ts';
import { emptyTemporary, loadRows } from './session-tables.ts';
import { repeatedKeyStatement, updateStatement } from './statements.ts';
import {
  hasFixedReference,
  insertReady,
  isCyclic,
  refuseFound,
  rewrite,
  rewritten,
  type Run,
  tellsKeysApart,
  writeDirect,
  writeFrom,
  writeOwnLinks,
} from './upsert-plan.ts';
import { textValues } from '../../row-values.ts';

/**
 * Up to so many rows the temporary table costs more than it saves (measured
 * on loopback with ten columns of 150 bytes; MySQL reads JSON faster).
 */
const fewRowsOf = { mariadb: 50, mysql: 150 };

/** Rows that wait to be written: encoded while the statement before them runs. */
export type RowWork = (connection: MysqlConnection) => Promise<void>;

export interface WriteParts {
  /** Everything that can be written now. */
  readonly now: RowWork;
  /** What must wait until the tables of a cycle have their rows; or null. */
  readonly later: RowWork | null;
}

export interface WriteOptions {
  readonly policies: ValuePolicies;
  readonly facts: ServerFacts;
  /** Up to so many rows cross as one parameter; undefined: what is measured best. */
  readonly fewRows: number | undefined;
}

/** Whether the rows go through a temporary table. */
export function isLoaded(
  rows: ShapeRows,
  {
    facts: { hasLocalInfile, isMariadb },
    fewRows = fewRowsOf[isMariadb ? 'mariadb' : 'mysql'],
  }: WriteOptions,
): boolean {
  return hasLocalInfile && (rows.rowCount > fewRows || isLarge(rows));
}

export function prepareRows(
  rows: ShapeRows,
  options: WriteOptions,
): WriteParts {
  const { table, columns } = rows;
  const { policies } = options;
  refuseReplacedNulls(rows);
  const late = columns.filter(isCyclic);
  const load = isLoaded(rows, options);
  const encode = (): RowWork => {
    if (!load) {
      return jsonWork(rows, policies);
    }
    const loaded = loadedRows(rows, policies);
    return (connection) => writeLoaded(connection, rows, loaded, policies);
  };
  const now = encode();
  if (late.length === 0) {
    if (load) {
      rows.values.release();
    }
    return { now, later: null };
  }
  const kept = columns.filter(
    (column) => column.keyOrdinal !== null || isCyclic(column),
  );
  const links: ShapeRows = {
    table,
    columns: kept,
    values: textValues(
      kept.map((column) => rows.values.texts[columns.indexOf(column)]!),
      rows.rowCount,
    ),
    rowCount: rows.rowCount,
  };
  return {
    now,
    later: (connection) =>
      eachPacket(connection, links, policies, async (_, json) => {
        const source = jsonSource(table, kept);
        await execute(connection, updateStatement(table, kept, source)!, json);
      }),
  };
}

/** Whether rows get a reference of a circle, which must wait as a whole. */
export function linksCircle({ columns, values }: ShapeRows): boolean {
  return columns.some(
    (column, place) =>
      isCyclic(column) &&
      values.texts[place]!.some((token) => token !== sqlNull),
  );
}

/**
 * The server puts the next number, or the present time, where null is not
 * allowed in such a column: another value than the source's.
 */
export function refuseReplacedNulls({
  table,
  columns,
  values,
}: ShapeRows): void {
  columns.forEach((column, place) => {
    const codec = codecOf(column);
    const isReplaced =
      column.identity !== null ||
      (codec.kind === 'datetime' && codec.until !== null);
    if (!column.nullable && isReplaced && values.cells.hasNull(place)) {
      throw new ReplicatorError('E4005', {
        detail: `column "${column.name}" of table ${table.schema}.${table.name} cannot be null`,
      });
    }
  });
}

const sqlNull = 'null' as JsonText;

/** What no parameter should hold, and bytes of which none could. */
const largeBytes = 4 * 1024 * 1024;

function isLarge({ values }: ShapeRows): boolean {
  return values.cells.byteCount > largeBytes;
}

function jsonWork(rows: ShapeRows, policies: ValuePolicies): RowWork {
  // Values that cannot be written fail now, not when their turn comes.
  const json = jsonRows(rows, policies);
  return async (connection) => {
    const limit = parameterBytes(connection);
    // A character takes three bytes at most.
    if (json.length * 3 <= limit || Buffer.byteLength(json) <= limit) {
      await writeFromJson(connection, rows, json);
      return;
    }
    await writePackets(connection, rows, policies);
  };
}

/** A row may refer to one that comes in a later packet. */
async function writePackets(
  connection: MysqlConnection,
  rows: ShapeRows,
  policies: ValuePolicies,
): Promise<void> {
  const { table, columns } = rows;
  const source = jsonSource(table, columns);
  const each = (
    work: (chunk: ShapeRows, run: Run, json: string) => Promise<void>,
  ): Promise<void> =>
    eachPacket(connection, rows, policies, (chunk, json) =>
      work(chunk, (text) => execute(connection, text, json), json),
    );
  if (hasFixedReference(table) && !lacksNeeded(table, columns)) {
    let insertedCount: number;
    do {
      insertedCount = 0;
      await each(async (chunk, run) => {
        insertedCount += await insertReady(source, chunk, run);
      });
    } while (insertedCount > 0);
  }
  await each((chunk, _, json) =>
    writeFromJson(connection, chunk, json, writeDirect),
  );
  await each((chunk, run) => writeOwnLinks(source, chunk, run));
}

/** Of one packet something is left for the statement. */
function parameterBytes({ facts }: MysqlConnection): number {
  return Math.max(0, facts.maxPacketBytes - 64 * 1024);
}

export async function eachPacket(
  connection: MysqlConnection,
  rows: ShapeRows,
  policies: ValuePolicies,
  work: (rows: ShapeRows, json: string) => Promise<void>,
): Promise<void> {
  const limit = parameterBytes(connection);
  for (const chunk of packetChunks(rows, limit)) {
    const json = jsonRows(chunk, policies);
    if (Buffer.byteLength(json) > limit) {
      throw new ReplicatorError('E4006', {
        detail: `a row of table ${rows.table.schema}.${rows.table.name} is larger than max_allowed_packet of the target (${connection.facts.maxPacketBytes} bytes)`,
        remedy:
          'raise max_allowed_packet at the target, or let it load files: SET GLOBAL local_infile = ON',
      });
    }
    await work(chunk, json);
  }
}

/** As many parameters as the statement has places, all the same. */
function execute(
  connection: MysqlConnection,
  text: string,
  json: string,
): Promise<Answer> {
  return connection.execute(text, [json]);
}

async function writeFromJson(
  connection: MysqlConnection,
  rows: ShapeRows,
  json: string,
  write: typeof writeFrom = writeFrom,
): Promise<void> {
  const source = jsonSource(rows.table, rows.columns);
  const run: Run = (text) => execute(connection, text, json);
  const watched = rewritten(rows);
  if (watched.length > 0) {
    await rewrite(connection, rows, { watched, source, run });
  }
  if (rows.rowCount > 1 && !tellsKeysApart(rows)) {
    await refuseFound(
      run,
      repeatedKeyStatement(rows.table, source),
      rows.table,
    );
  }
  await write(source, rows, run, connection.newRowStreaks);
}

async function writeLoaded(
  connection: MysqlConnection,
  rows: ShapeRows,
  loaded: LoadedRows,
  policies: ValuePolicies,
): Promise<void> {
  const name = await loadRows(connection, loaded);
  if (name === null) {
    await jsonWork(rows, policies)(connection);
    return;
  }
  const source = temporarySource(rows.table, name);
  const run: Run = (text) => connection.query(text);
  const watched = rewritten(rows);
  if (watched.length > 0) {
    await rewrite(connection, rows, { watched, source, run });
  }
  await writeFrom(source, rows, run, connection.newRowStreaks);
  emptyTemporary(connection, name);
}
