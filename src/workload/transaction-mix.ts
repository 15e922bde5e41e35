/** What the transactions of the workload do. */
import type { Random } from './random.ts';
import type { Row, TableHistory } from './table-history.ts';
import {
  customerTable,
  lineTable,
  orderTable,
  sampleTable,
  type WorkloadTable,
} from './tables.ts';
import * as values from './values.ts';

/** What a transaction under construction may do. */
export interface TransactionWriter {
  history(table: WorkloadTable): TableHistory;
  /** Makes the JSON column's values. */
  readonly document: values.CellMaker;
  put(table: WorkloadTable, cells: readonly values.Cell[]): void;
  delete(table: WorkloadTable, key: string): void;
}

/** Orders a customer can have: small, so that numbers are used again. */
const ordersPerCustomer = 4;

const sampleMakers: readonly (values.CellMaker | 'document')[] = [
  values.int8,
  values.decimal,
  values.float8,
  values.bool,
  values.date,
  values.timestamptz,
  values.bytea,
  'document',
  values.uuid,
  values.arrayOf(values.int8),
  values.arrayOf(values.words),
];

/** Changes about `rowCount` rows; every foreign key holds afterwards. */
export function changeRows(
  writer: TransactionWriter,
  random: Random,
  rowCount: number,
  tableRows: number,
): void {
  const families = [
    () => changeCustomer(writer, random, tableRows),
    () => changeOrder(writer, random, tableRows),
    () => changeOrder(writer, random, tableRows),
    () => changeLine(writer, random, tableRows),
    () => changeLine(writer, random, tableRows),
    () => changeLine(writer, random, tableRows),
    () => changeSample(writer, random, tableRows),
    () => changeSample(writer, random, tableRows),
  ];
  let changedCount = 0;
  while (changedCount < rowCount) {
    changedCount += random.pick(families)();
  }
}

/** How likely to delete: never from an empty table, often from a full one. */
function wantsDelete(
  random: Random,
  history: TableHistory,
  limitRows: number,
): boolean {
  return random.chance((0.5 * history.liveCount) / limitRows);
}

function changeCustomer(
  writer: TransactionWriter,
  random: Random,
  tableRows: number,
): number {
  const customers = writer.history(customerTable);
  const limitRows = Math.max(tableRows / 4, 4);
  const key = customers.pickLiveKey(random);
  if (key !== undefined && wantsDelete(random, customers, limitRows * 4)) {
    return deleteCustomer(writer, key);
  }
  const existing = key === undefined ? null : customers.current(key);
  if (existing && random.chance(0.6)) {
    const [id, , email, , joined] = existing.cells;
    writer.put(customerTable, [
      id!,
      values.words(random),
      random.chance(0.2) ? freshEmail(random) : email!,
      values.decimal(random),
      joined!,
    ]);
    return 1;
  }
  // From a small range: a deleted customer's number comes back one day.
  const id = values.integerCell(1 + random.integer(Math.ceil(limitRows * 2)));
  writer.put(customerTable, [
    id,
    values.words(random),
    freshEmail(random),
    values.decimal(random),
    values.timestamptz(random),
  ]);
  return 1;
}

/** 122 random bits: no two customers ever want the same address. */
function freshEmail(random: Random): values.Cell {
  return values.textCell(`${values.uuid(random).text}@example.com`);
}

function deleteCustomer(writer: TransactionWriter, key: string): number {
  const [id] = JSON.parse(key) as [number];
  let deletedCount = 1;
  for (let number = 1; number <= ordersPerCustomer; number += 1) {
    deletedCount += deleteOrder(writer, `[${id}, ${number}]`);
  }
  writer.delete(customerTable, key);
  return deletedCount;
}

function changeOrder(
  writer: TransactionWriter,
  random: Random,
  tableRows: number,
): number {
  const orders = writer.history(orderTable);
  const key = orders.pickLiveKey(random);
  if (key !== undefined && wantsDelete(random, orders, tableRows * 4)) {
    return deleteOrder(writer, key);
  }
  const existing = key === undefined ? null : orders.current(key);
  const customer =
    existing && random.chance(0.5)
      ? existing
      : anyRow(writer.history(customerTable), random);
  if (!customer) {
    return changeCustomer(writer, random, tableRows);
  }
  writer.put(orderTable, [
    customer.cells[0]!,
    customer === existing
      ? existing.cells[1]!
      : values.integerCell(1 + random.integer(ordersPerCustomer)),
    values.textCell(random.pick(['new', 'paid', 'sent', 'returned'])),
    values.decimal(random),
    values.timestamptz(random),
  ]);
  return 1;
}

function deleteOrder(writer: TransactionWriter, key: string): number {
  const orders = writer.history(orderTable);
  if (!orders.current(key)) {
    return 0;
  }
  let deletedCount = 1;
  for (const lineKey of lineKeysOf(key)) {
    if (writer.history(lineTable).current(lineKey)) {
      writer.delete(lineTable, lineKey);
      deletedCount += 1;
    }
  }
  writer.delete(orderTable, key);
  return deletedCount;
}

/** Lines an order can have. */
const linesPerOrder = 4;

/** A line's id is made from its order, so that an order finds its lines. */
function lineKeysOf(orderKey: string): string[] {
  const [customerId, number] = JSON.parse(orderKey) as [number, number];
  return Array.from(
    { length: linesPerOrder },
    (_, position) => `["${lineId(customerId, number, position)}"]`,
  );
}

function lineId(customerId: number, number: number, position: number): string {
  const customer = customerId.toString(16).padStart(12, '0');
  const order = number.toString(16).padStart(4, '0');
  return `0000000${position}-${order}-4000-8000-${customer}`;
}

function changeLine(
  writer: TransactionWriter,
  random: Random,
  tableRows: number,
): number {
  const lines = writer.history(lineTable);
  const key = lines.pickLiveKey(random);
  if (key !== undefined && wantsDelete(random, lines, tableRows * 2)) {
    writer.delete(lineTable, key);
    return 1;
  }
  const existing = key === undefined ? null : lines.current(key);
  const order = anyRow(writer.history(orderTable), random);
  if (existing && (!order || random.chance(0.5))) {
    writer.put(lineTable, [
      ...existing.cells.slice(0, 4),
      values.integerCell(random.integer(100)),
      values.decimal(random),
    ]);
    return 1;
  }
  if (!order) {
    return changeOrder(writer, random, tableRows);
  }
  const [customerId, number] = order.cells;
  writer.put(lineTable, [
    values.textCell(
      lineId(
        Number(customerId!.text),
        Number(number!.text),
        random.integer(linesPerOrder),
      ),
    ),
    customerId!,
    number!,
    values.words(random),
    values.integerCell(random.integer(100)),
    values.decimal(random),
  ]);
  return 1;
}

function changeSample(
  writer: TransactionWriter,
  random: Random,
  tableRows: number,
): number {
  const samples = writer.history(sampleTable);
  const key = samples.pickLiveKey(random);
  if (key !== undefined && wantsDelete(random, samples, tableRows * 2)) {
    writer.delete(sampleTable, key);
    return 1;
  }
  // A tenth of the writes go to eight hot keys: several versions in flight.
  const name = random.chance(0.1)
    ? `hot "${random.integer(8)}"`
    : `sample ${random.integer(tableRows)}`;
  writer.put(sampleTable, [
    values.textCell(name),
    ...sampleMakers.map((maker) =>
      values.nullable(
        0.15,
        maker === 'document' ? writer.document : maker,
      )(random),
    ),
  ]);
  return 1;
}

function anyRow(history: TableHistory, random: Random): Row | null {
  const key = history.pickLiveKey(random);
  return key === undefined ? null : history.current(key);
}
