/** Whether updates and deletes of each table can be told apart by row. */
import { type Finding, listedFindings } from '../../../failure/finding.ts';
import type { PublicationState, TableState } from './source-state.ts';

/**
 * `willPublish` says that tables which are not published yet are about to be.
 * One whose updates the source would then begin to refuse is an error; where
 * it refuses them already, the owner of the publication has decided.
 */
export function tableFindings(
  publications: readonly PublicationState[],
  tables: readonly TableState[],
  willPublish: boolean,
): Finding[] {
  const changing = new Set(
    publications
      .filter((publication) => publication.update || publication.delete)
      .map(({ name }) => name),
  );
  // Rows are in leaves: the identity of a partition's root counts for nothing.
  const leaves = tables.filter(
    ({ kind, unlogged, publications: names }) =>
      kind === 'table' && !unlogged && (willPublish || names.length > 0),
  );
  const changeable = leaves.filter(
    ({ publications: names }) =>
      willPublish || names.some((name) => changing.has(name)),
  );
  return [
    ...listedFindings(
      changeable.filter(isNameless),
      (table) => namelessFinding(table, table.publications.length === 0),
      'tables',
    ),
    ...listedFindings(
      changeable.filter(
        ({ keyColumnsMissing }) => keyColumnsMissing.length > 0,
      ),
      ({ table, keyColumnsMissing }) => ({
        level: 'warn',
        subject: 'source',
        text: `the replica identity of ${table} is an index without ${keyColumnsMissing.join(', ')} of its primary key: a delete does not say which key it deletes`,
        remedy: `alter table ${table} replica identity default; or give the target table the columns of the index as its primary key`,
      }),
      'tables',
    ),
    ...listedFindings(
      changeable.filter(
        ({ hasKey, identity }) => !hasKey && identity === 'full',
      ),
      ({ table }) => ({
        level: 'warn',
        subject: 'source',
        text: `${table} has no primary key: its rows are found at the target by all their columns`,
        remedy:
          'add a primary key, or a unique index that covers it at the target, if it is updated often',
      }),
      'tables',
    ),
    ...generatedFindings(publications, leaves),
  ];
}

function isNameless({ identity, hasKey }: TableState): boolean {
  return identity === 'nothing' || (identity === 'default' && !hasKey);
}

function namelessFinding(
  { table, identity, hasKey }: TableState,
  isNew: boolean,
): Finding {
  return {
    level: isNew ? 'error' : 'warn',
    subject: 'source',
    text: `${table} has ${identity === 'nothing' ? 'the replica identity nothing' : 'no primary key'}: THE SOURCE ${isNew ? 'WILL REFUSE' : 'REFUSES'} every UPDATE and DELETE of it while it is published; inserts come`,
    remedy: hasKey
      ? `alter table ${table} replica identity default`
      : `add a primary key, or alter table ${table} replica identity full, or … replica identity using index <unique index of NOT NULL columns>`,
  };
}

function generatedFindings(
  publications: readonly PublicationState[],
  leaves: readonly TableState[],
): Finding[] {
  const generous = new Set(
    publications
      .filter(({ generatedColumns }) => generatedColumns)
      .map(({ name }) => name),
  );
  return listedFindings(
    leaves.filter(
      ({ generatedColumns, publications: names }) =>
        generatedColumns.length > 0 &&
        !names.some((name) => generous.has(name)),
    ),
    ({ table, generatedColumns }) => ({
      level: 'warn',
      subject: 'source',
      text: `${table} has generated columns that are not published: ${generatedColumns.join(', ')}`,
      remedy:
        'let the target compute them too; on PostgreSQL 18: alter publication … set (publish_generated_columns = stored)',
    }),
    'tables',
  );
}
