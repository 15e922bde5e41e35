/** docs/types.md, from the tables that the tests of the types run. */
import type { EngineTypes, Outcome } from './types.ts';
import { mariadbTypes, mysqlTypes } from './types-mysql.ts';
import { oracleTypes } from './types-oracle.ts';
import { postgresTypes } from './types-postgres.ts';
import { type SourceType, sourceTypes } from './types-source.ts';
import { sqlserverTypes } from './types-sqlserver.ts';

const engines: readonly EngineTypes[] = [
  postgresTypes,
  mysqlTypes,
  mariadbTypes,
  sqlserverTypes,
  oracleTypes,
];

const intro = `<!-- Written by test/docs/types-page.test.ts when it is run with -u, from the tables in test/contract; edit those. -->

# Types

What becomes of each type of CockroachDB and PostgreSQL on each target. The column's type at the target decides; the
columns below are those that hold the most.

Values travel as text and are never converted to numbers or dates on the way. A value that its column cannot hold **as
it is** is refused: E4006, with table, column and key of the row. That holds also where the database itself would take
the value and change it without a word: a decimal that would be rounded, a fraction of a second with more digits than
the column keeps, blanks at the end of a text that is too long, a zone that a column without zone would drop.

\`--valuePolicy\` lets a column take another value instead ([options.md](options.md)):

\`\`\`
--valuePolicy 'orders.total=clamp,*.valid_until=null'
\`\`\`

- \`null\` writes NULL, where the column may be NULL.
- \`clamp\` writes the nearest value that the column holds: the end of its range, the rounded number, the text cut at a
  character. Where nothing is near (NaN, an unknown label, a part of an array), the row is refused still.
- The columns of the primary key are never changed: another key is another row.
- Each value that is replaced is counted (\`replicator_values_replaced_total\`) and logged with table, column and key, at
  most once a minute for each column.
`;

const notes = `
## Edge rules

- **Equal is what reads back as the same value.** A number may come back with other zeros, an instant in UTC.
- **Numbers.** \`1.0\` and \`1e3\` are whole numbers; \`1.5\` is none. Zeros at the end of a fraction are no digits. Floats
  are accepted as the shortest text of their float, or with all of its digits; a decimal that no float prints is refused.
- **Timestamps without zone** take a value with a zone only if that is UTC (\`Z\`, \`+00\`). MySQL's \`DATETIME\` takes any and
  stores UTC; its \`TIMESTAMP\` ends in 2038, so do not use it for \`timestamptz\`.
- **Dates** take no time of day other than midnight, times of day take no date.
- **Text lengths** count characters on PostgreSQL and MySQL, UTF-16 units on SQL Server (an emoji is two: give
  \`nvarchar\` room), characters or bytes on Oracle (\`varchar2(n char)\`, \`varchar2(n)\`).
- **\`char(n)\`** fills up with blanks on PostgreSQL, SQL Server and Oracle. MySQL drops blanks at the end: a text that ends
  in one is refused. Prefer \`varchar\`.
- **Empty text** is NULL in a \`VARCHAR2\` of Oracle. In a column that is NOT NULL, \`--oracleEmptyString\` decides.
- **U+0000** in a text is what PostgreSQL cannot hold: there the request is refused (E1003), unless \`--valuePolicy\` says
  otherwise for the column.
- **JSON.** \`{"__crdb_json_null__": true}\` is a JSON null. PostgreSQL's \`jsonb\` and MySQL's \`JSON\` sort members and keep
  the last of two with one name; MySQL's makes doubles of numbers, and those that would change are refused. A check with
  SQL Server's \`ISJSON\` takes objects and arrays only.
- **Arrays and composites** are JSON, except on PostgreSQL. \`clamp\` does not reach into them.
- **Enumerations.** A new label must be added at the target first.
- **Intervals** keep months, days and time as text, except on PostgreSQL. PostgreSQL's \`interval day to minute\` and its
  like drop fields: values that have them are refused.
- **Parts** of ranges, geometric types, \`hstore\` and PostGIS geometries are not looked into: what the server makes of them
  is stored.
- **Limits are as last read** from the catalog: at a start, every \`--schemaRefresh\`, and after a failure. A column is
  narrowed only while the daemon is stopped. One with a policy is widened, or gets a label, a \`--schemaRefresh\` before
  the source makes use of it.
- **\`money\`** of PostgreSQL is taken to have two digits behind the point.

What is said of SQL Server and Oracle as *stored* is checked where a server is given; what is said as *refused* in every
test run. PostgreSQL, MySQL and MariaDB are checked in every test run in full.
`;

export function typesPage(): string {
  return `${[
    intro,
    '## Columns\n',
    row(['Source', ...engines.map(({ name }) => name)]),
    separator(engines.length + 1),
    ...sourceTypeNames().map((type) =>
      row([
        code(type),
        ...engines.map(({ cells }) => {
          const cell = cells[type];
          return cell ? (cell.shown ?? code(cell.column)) : 'PostGIS';
        }),
      ]),
    ),
    '',
    '## Values\n',
    '`=`: reads back as the source wrote it. Else the text that reads back; or *refused*, and what `clamp` writes. Values that\nread back the same everywhere are left out.\n',
    row(['Source', 'Value', ...engines.map(({ name }) => name)]),
    separator(engines.length + 2),
    ...sourceTypeNames().flatMap(valueRows),
    notes,
  ].join('\n')}`;
}

function sourceTypeNames(): SourceType[] {
  return Object.keys(sourceTypes) as SourceType[];
}

function valueRows(type: SourceType): string[] {
  return Object.keys(sourceTypes[type])
    .map((name) => ({
      name,
      outcomes: engines.map(({ cells }) => {
        const cell = cells[type];
        return cell ? outcomeText(cell.outcomes?.[name]) : '';
      }),
    }))

    .filter(({ outcomes }) =>
      outcomes.some((text) => text !== same && text !== ''),
    )
    .map(({ name, outcomes }) => row([code(type), name, ...outcomes]));
}

const same = '=';

function outcomeText(outcome: Outcome | undefined): string {
  if (outcome === undefined) {
    return same;
  }
  if (typeof outcome === 'string') {
    return code(outcome);
  }
  return outcome.clamp === undefined
    ? '*refused*'
    : `*refused*; ${code(outcome.clamp)}`;
}

function code(text: string): string {
  return `\`${text.replaceAll('|', String.raw`\|`)}\``;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function separator(count: number): string {
  return `|${'---|'.repeat(count)}`;
}
