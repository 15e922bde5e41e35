/**
 * The rows every case and every floor writes: about 250 bytes each in a
 * webhook body where the shape says nothing else, all of them a function of
 * their id, so that the target can be verified by one query.
 */
import { type LoadShape, USUAL_SHAPE } from './load-shape.ts';
import {
  NOTE_SOURCE,
  NOTE_STARTS,
  NOTE_STRIDE,
  noteBytes,
  noteText,
} from './notes.ts';

export const REQUEST_ROWS = USUAL_SHAPE.requestRows;
/** Rows that share a source transaction's timestamp. */
export const TRANSACTION_ROWS = 10;
/** Ids start here, so that all of them have ten digits. */
export const FIRST_ID = 1_000_000_000;

export const TABLE = 'bench_row';

export const CREATE_TABLE = createTable(TABLE, USUAL_SHAPE);

/** Of PostgreSQL. */
export function createTable(table: string, { rowBytes }: LoadShape): string {
  return rowBytes !== null
    ? `create table ${table} (id int8 primary key, note text not null)`
    : `
  create table ${table} (
    id int8 primary key,
    account int8 not null,
    amount numeric(12, 2) not null,
    created_at timestamptz not null,
    currency text not null,
    state text not null
  )`;
}

/** What a row says that is there before it is sent. */
const KNOWN_STATE = 'known';
export const IS_SENT = `state <> '${KNOWN_STATE}'`;

/** In PostgreSQL, with other values than the rows that are sent. */
export function insertKnownRows(
  table: string,
  { knownRows }: LoadShape,
): string {
  return `
  insert into ${table}
  select id, 0, 0, now(), '', '${KNOWN_STATE}'
  from generate_series(${FIRST_ID}::int8, ${FIRST_ID + knownRows - 1}::int8) as id`;
}

/** Counts the rows that are exactly what was sent, in PostgreSQL. */
export function countRightRows(table: string, { rowBytes }: LoadShape): string {
  return rowBytes !== null
    ? `select count(*)::int8 as n from ${table}
  where note = substr('${NOTE_SOURCE}',
    (id * ${NOTE_STRIDE} % ${NOTE_STARTS})::int4 + 1, ${noteBytes(rowBytes)})`
    : `select count(*)::int8 as n from ${table}
  where account = id * 7
    and amount = (id % 1000000)::numeric / 100
    and created_at = timestamptz '2026-01-02 03:04:05.678901Z'
    and currency = 'EUR'
    and state = 'open-' || (id % 10)`;
}

const CREATED_AT = '2026-01-02T03:04:05.678901Z';

function amountText(id: number): string {
  const cents = id % 1_000_000;
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
}

/** The after-image as a changefeed prints it; of a hot row, its version's. */
export function afterText(id: number, version = id): string {
  return `{"account": ${version * 7}, "amount": ${amountText(version)}, "created_at": "${CREATED_AT}", "currency": "EUR", "id": ${id}, "state": "open-${version % 10}"}`;
}

/** A webhook body of the shape's rows from `firstId` on. */
export function requestBody(
  firstId: number,
  nextTime: () => string,
  shape: LoadShape = USUAL_SHAPE,
): string {
  const { requestRows, isHot } = shape;
  const topic = tableOf(firstId, shape);
  const transactionRows = isHot ? 1 : TRANSACTION_ROWS;
  let body = '{"payload":[';
  let time = '';
  for (let index = 0; index < requestRows; index++) {
    const version = firstId + index;
    const id = isHot ? FIRST_ID : version;
    if (index % transactionRows === 0) time = nextTime();
    if (index > 0) body += ',';
    body +=
      shape.rowBytes === null
        ? rowText(id, version, topic, time)
        : envelopeOf(
            `{"id": ${id}, "note": "${noteText(id, shape.rowBytes)}"}`,
            id,
            topic,
            time,
          );
  }
  return `${body}],"length":${requestRows}}`;
}

/** One row of a webhook body. */
export function rowText(
  id: number,
  version: number,
  topic: string,
  time: string,
): string {
  return envelopeOf(afterText(id, version), id, topic, time);
}

function envelopeOf(
  after: string,
  id: number,
  topic: string,
  time: string,
): string {
  return `{"after": ${after}, "key": [${id}], "topic": "${topic}", "updated": "${time}"}`;
}

/** What a stage must at least make durable of one request. */
export function bareBytes(firstId: number): Buffer {
  let text = '';
  for (let index = 0; index < REQUEST_ROWS; index++) {
    const id = firstId + index;
    text += `${afterText(id)}[${id}]`;
  }
  return Buffer.from(text);
}

/** Column arrays as PostgreSQL array literals, in catalog order. */
export function columnArrays(
  firstId: number,
  rowCount: number,
  { rowBytes }: LoadShape = USUAL_SHAPE,
): string[] {
  if (rowBytes !== null) {
    const ids = Array.from({ length: rowCount }, (_, index) => firstId + index);
    const notes = ids.map((id) => noteText(id, rowBytes));
    return [`{${ids.join(',')}}`, `{${notes.join(',')}}`];
  }
  const columns: string[][] = [[], [], [], [], [], []];
  for (let id = firstId; id < firstId + rowCount; id++) {
    columns[0]?.push(String(id));
    columns[1]?.push(String(id * 7));
    columns[2]?.push(amountText(id));
    columns[3]?.push(CREATED_AT);
    columns[4]?.push('EUR');
    columns[5]?.push(`open-${id % 10}`);
  }
  return columns.map((values) => `{${values.join(',')}}`);
}

/** Lines of tabs, as LOAD DATA reads them, in catalog order. */
export function tabbedLines(firstId: number, rowCount: number): Buffer {
  const createdAt = CREATED_AT.replace('T', ' ').replace('Z', '');
  let text = '';
  for (let id = firstId; id < firstId + rowCount; id++) {
    text += `${id}\t${id * 7}\t${amountText(id)}\t${createdAt}\tEUR\topen-${id % 10}\n`;
  }
  return Buffer.from(text, 'latin1');
}

/** An array of rows, each an array of texts in catalog order. */
export function jsonRows(firstId: number, rowCount: number): string {
  let text = '[';
  for (let id = firstId; id < firstId + rowCount; id++) {
    if (id > firstId) text += ',';
    text += `["${id}","${id * 7}","${amountText(id)}","${CREATED_AT}","EUR","open-${id % 10}"]`;
  }
  return `${text}]`;
}

/** Rows of values in catalog order. */
export function rowValues(firstId: number, rowCount: number): unknown[][] {
  return Array.from({ length: rowCount }, (_, index) => {
    const id = firstId + index;
    return [id, id * 7, amountText(id), CREATED_AT, 'EUR', `open-${id % 10}`];
  });
}

/** The table of a row, and of all rows of its request. */
export function tableOf(
  id: number,
  { tables, requestRows }: LoadShape,
): string {
  return tables === 1
    ? TABLE
    : `${TABLE}_${Math.floor((id - FIRST_ID) / requestRows) % tables}`;
}

export function tableNames({ tables }: LoadShape): string[] {
  return tables === 1
    ? [TABLE]
    : Array.from({ length: tables }, (_, index) => `${TABLE}_${index}`);
}
