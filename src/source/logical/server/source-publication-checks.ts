/** What the publications let through. */
import { type Finding, listedFindings } from '../../../failure/finding.ts';
import type { PublicationState, TableState } from './source-state.ts';

export function publicationFindings(
  publications: readonly PublicationState[],
  tables: readonly TableState[],
  schemas: readonly string[],
): Finding[] {
  return [
    ...publications.flatMap(operationFindings),
    ...rootFindings(publications, tables),
    ...coverageFindings(publications, tables, schemas),
    ...partFindings(tables),
  ];
}

const operations = ['insert', 'update', 'delete', 'truncate'] as const;

function operationFindings(publication: PublicationState): Finding[] {
  const { name } = publication;
  const lacking = operations.filter((operation) => !publication[operation]);
  return lacking.length === 0
    ? []
    : [
        {
          level: 'warn',
          subject: 'source',
          text: `the publication ${name} does not publish ${lacking.join(', ')}: those changes never come`,
          remedy: `alter publication ${quoted(name)} set (publish = '${operations.join(', ')}')`,
        },
      ];
}

function rootFindings(
  publications: readonly PublicationState[],
  tables: readonly TableState[],
): Finding[] {
  const roots = tables.filter(({ kind }) => kind === 'partitioned');
  return roots.length === 0
    ? []
    : publications.map(({ name, viaRoot }) => ({
        level: 'ok',
        subject: 'source',
        text: viaRoot
          ? `the publication ${name} names partitioned tables by their root (publish_via_partition_root): the target needs the root alone, and the TRUNCATE of a single partition does not come`
          : `the publication ${name} names partitions by themselves: the target needs a table for each, or publish_via_partition_root set (PostgreSQL 13)`,
      }));
}

function coverageFindings(
  publications: readonly PublicationState[],
  tables: readonly TableState[],
  schemas: readonly string[],
): Finding[] {
  const first = publications[0];
  if (first === undefined) {
    return [];
  }
  const ours = tables.filter(({ schema }) => schemas.includes(schema));
  const published = tables.filter((table) => table.publications.length > 0);
  const missed = ours.filter(
    (table) =>
      table.kind === 'table' &&
      !table.unlogged &&
      table.publications.length === 0,
  );
  const strangers = published.filter(
    ({ schema, kind }) => kind === 'table' && !schemas.includes(schema),
  );
  return [
    ...(published.length === 0
      ? [
          {
            level: 'warn' as const,
            subject: 'source' as const,
            text: `nothing is published: no table is in ${publications.map(({ name }) => name).join(', ')}`,
            remedy: `alter publication ${quoted(first.name)} add table …`,
          },
        ]
      : []),
    ...listedFindings(
      published.length === 0 ? [] : missed,
      ({ table }) => ({
        level: 'warn',
        subject: 'source',
        text: `${table} is not published: its changes never come`,
        remedy: `alter publication ${quoted(first.name)} add table ${table}, if it is to be replicated`,
      }),
      'tables',
    ),
    ...listedFindings(
      strangers,
      ({ table }) => ({
        level: 'warn',
        subject: 'source',
        text: `${table} is published, but its schema is none of those replicated (${schemas.join(', ')})`,
        remedy:
          'name its schema with --sourceSchema or --schemaMap, or take it out of the publication: the source reads and sends its changes for nothing',
      }),
      'tables',
    ),
  ];
}

/** Tables of which a part is held back on purpose, or cannot come at all. */
function partFindings(tables: readonly TableState[]): Finding[] {
  return [
    ...listedFindings(
      tables.filter(({ filters }) => filters.length > 0),
      ({ table, filters }) => ({
        level: 'warn',
        subject: 'source',
        text: `${table} has a row filter in ${filters.join(', ')}: rows that it leaves out never come, and one that begins or ends to fit it comes as an insert or a delete`,
        remedy: 'compare the table by the same filter',
      }),
      'tables',
    ),
    ...listedFindings(
      tables.filter(({ withheld }) => withheld.length > 0),
      ({ table, withheld }) => ({
        level: 'warn',
        subject: 'source',
        text: `${table} has a column list that leaves out ${withheld.join('; ')}: the target keeps its own values there`,
        remedy:
          'give those columns a default at the target, or publish the table without a list',
      }),
      'tables',
    ),
    ...listedFindings(
      tables.filter(({ unlogged }) => unlogged),
      ({ table }) => ({
        level: 'warn',
        subject: 'source',
        text: `${table} is unlogged: its changes are not in the WAL and never come`,
        remedy: `alter table ${table} set logged, if it is to be replicated`,
      }),
      'tables',
    ),
    ...listedFindings(
      tables.filter(({ kind }) => kind === 'foreign'),
      ({ table }) => ({
        level: 'warn',
        subject: 'source',
        text: `${table} is a foreign table: its changes are not in this source's WAL`,
        remedy: 'replicate it from where it lives',
      }),
      'tables',
    ),
  ];
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
