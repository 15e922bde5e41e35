/** Will what the source's columns can hold fit the target's? */
import type { Finding } from '../../failure/finding.ts';
import { count } from '../../lib/count.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type {
  ColumnShape,
  SchemaShape,
  TableShape,
} from '../../target/target.ts';
import { extremesOf } from './extremes.ts';
import type { SourceColumn, SourceTable } from './source-columns.ts';

/** Why the column cannot hold the value as it is; null: it can. */
export type RefusalOf = (column: ColumnShape, token: JsonText) => string | null;

/** One finding for each place at which something would be refused or lost. */
export function fitFindings(
  source: readonly SourceTable[],
  target: SchemaShape,
  refusalOf: RefusalOf,
): Finding[] {
  const findings = source.flatMap((table) => {
    const shape = folded(target.tables, table.name);
    return shape
      ? tableFindings(table, shape, refusalOf)
      : [
          warning(
            `the source's table ${table.name} is not in ${target.name}`,
            'create it if it is to be replicated',
          ),
        ];
  });
  const columnCount = source.reduce(
    (sum, { columns }) => sum + columns.length,
    0,
  );
  return findings.length > 0
    ? findings
    : [
        {
          level: 'ok',
          subject: 'target',
          text: `what ${count(columnCount, 'column', 'columns')} of ${count(source.length, 'table', 'tables')} at the source can hold fits ${target.name}`,
        },
      ];
}

function tableFindings(
  source: SourceTable,
  target: TableShape,
  refusalOf: RefusalOf,
): Finding[] {
  const arriving = new Set<ColumnShape>();
  const findings: Finding[] = [];
  for (const column of source.columns) {
    const shape = folded(target.columnByName, column.name);
    if (!shape) {
      findings.push(
        warning(
          `${source.name}.${column.name} (${column.type}) is not at the target, and rows that carry it are refused`,
          'add the column at the target, leave it out with a CDC query, or start with --onUnknown ignore',
        ),
      );
      continue;
    }
    arriving.add(shape);
    if (!shape.generated) {
      findings.push(
        ...columnFindings(`${source.name}.${column.name}`, column, {
          shape,
          refusalOf,
        }),
      );
    }
  }
  return [
    ...keyFindings(source, target),
    ...findings,
    ...target.columns
      .filter(
        (column) =>
          !arriving.has(column) &&
          !column.nullable &&
          !column.hasDefault &&
          !column.generated &&
          column.identity === null,
      )
      .map((column) =>
        problem(
          `${target.name}.${column.name} may not be null, has no default, and is not at the source: every new row would be refused`,
          'give the column a default at the target, or let it be null',
        ),
      ),
  ];
}

function columnFindings(
  place: string,
  source: SourceColumn,
  { shape, refusalOf }: { shape: ColumnShape; refusalOf: RefusalOf },
): Finding[] {
  const findings: Finding[] = [];
  if (source.nullable && !shape.nullable) {
    findings.push(
      warning(
        `${place} may be null at the source and not at the target`,
        'let the column be null at the target',
      ),
    );
  }
  const refused = (extremesOf(source) ?? [])
    .map(({ what, token }) => ({ what, reason: refusalOf(shape, token) }))
    .filter(({ reason }) => reason !== null);
  if (refused.length > 0) {
    // Several extremes of one column are often refused for one reason.
    const byReason = Map.groupBy(refused, ({ reason }) => reason);
    const reasons = [...byReason].map(
      ([reason, group]) =>
        `${group
          .slice(0, 2)
          .map(({ what }) => what)
          .join(', ')} (${reason})`,
    );
    findings.push(
      warning(
        `${place}: ${source.type} holds what ${shape.type} does not: ${reasons.join('; ')}`,
        shape.keyOrdinal === null
          ? `widen the column at the target; else such rows halt, or take --valuePolicy ${place}=null|clamp`
          : 'widen the column at the target; else such rows halt',
      ),
    );
  }
  return findings;
}

function keyFindings(source: SourceTable, target: TableShape): Finding[] {
  const sourceKey = keyNames(source.columns, (column) => column.keyOrdinal);
  const targetKey = keyNames(target.columns, (column) => column.keyOrdinal);
  return targetKey.length === 0 || sourceKey.join() === targetKey.join()
    ? []
    : [
        problem(
          `the primary key of ${source.name} is (${sourceKey.join(', ')}) at the source and (${targetKey.join(', ')}) at the target`,
          'give both the same columns',
        ),
      ];
}

/** Folded and sorted: another order of the same columns is no difference. */
function keyNames<Column extends { readonly name: string }>(
  columns: readonly Column[],
  ordinalOf: (column: Column) => number | null,
): string[] {
  return columns
    .filter((column) => ordinalOf(column) !== null)
    .map(({ name }) => name.toLowerCase())
    .toSorted();
}

/** By that name, else by the only one that differs in case alone. */
function folded<Value>(
  values: ReadonlyMap<string, Value>,
  name: string,
): Value | undefined {
  const exact = values.get(name);
  if (exact !== undefined) {
    return exact;
  }
  const near = [...values].filter(
    ([other]) => other.toLowerCase() === name.toLowerCase(),
  );
  return near.length === 1 ? near[0]![1] : undefined;
}

function warning(text: string, remedy: string): Finding {
  return { level: 'warn', subject: 'target', text, remedy };
}

function problem(text: string, remedy: string): Finding {
  return { level: 'error', subject: 'target', text, remedy };
}
