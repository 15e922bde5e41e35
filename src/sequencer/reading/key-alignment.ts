import { ReplicatorError } from '../../failure/failure.ts';
import { arrayElements } from '../../mutation/json-text.ts';
import {
  isTruncation,
  type JsonText,
  type Mutation,
  type TableMutations,
} from '../../mutation/mutation.ts';
import type { SchemaShape } from '../../target/target.ts';

/**
 * The mutations with their keys in the order of the primary key as it is now.
 *
 * A key is an array without names. When the primary key of the target was
 * given another column order while the rows waited, the same array means
 * another row, so that it is laid out anew by the names noted with it:
 *
 *     same columns, same order    untouched
 *     same columns, other order   rearranged
 *     some of the columns         the others are left out
 *     anything else               E4018 (halt): the key cannot be told
 *
 * Rows of a table that had no key when they were staged have an empty list of
 * names, and their keys hold all their values: once the table has a key they
 * can be told no more, however many columns it has. Keys of which the names
 * were not noted (old entries of changefeeds, whose tables all have keys) are
 * taken to be in the present order. A table that is
 * gone is left to whoever needs it (batch-tables.ts).
 */
export function alignKeys(
  part: TableMutations,
  shape: SchemaShape,
): TableMutations {
  const { table, keyColumns } = part;
  const present = shape.tables.get(table)?.primaryKey;
  if (
    keyColumns === undefined ||
    present === undefined ||
    areAligned(table, keyColumns, shape)
  ) {
    return part;
  }
  const names = present.map(({ name }) => name);
  const positions = names.map((name) => keyColumns.indexOf(name));
  if (positions.length === 0 || positions.includes(-1)) {
    if (keyColumns.length === 0) {
      throw new ReplicatorError('E4018', {
        detail: `the target table ${shape.name}.${table} has the primary key (${names.join(', ')}), and had none when its waiting rows were staged`,
        remedy:
          'drop that primary key again (it is found at once); for a table to get one, stop its writes at the source and wait until all is applied',
      });
    }
    throw new ReplicatorError('E4018', {
      detail: `the primary key of the target table ${shape.name}.${table} is (${names.join(', ')}), and its staged rows are keyed by (${keyColumns.join(', ')})`,
    });
  }
  return {
    table,
    keyColumns: names,
    mutations: part.mutations.map((mutation) =>
      isTruncation(mutation) ? mutation : aligned(mutation, positions),
    ),
  };
}

/** Whether the keys are in the order of the primary key as they are. */
export function areAligned(
  table: string,
  keyColumns: readonly string[] | undefined,
  shape: SchemaShape,
): boolean {
  const present = shape.tables.get(table)?.primaryKey;
  return (
    keyColumns === undefined ||
    present === undefined ||
    (present.length === keyColumns.length &&
      present.every(({ name }, at) => name === keyColumns[at]))
  );
}

function aligned(mutation: Mutation, positions: readonly number[]): Mutation {
  const { key, movedFrom } = mutation;
  return {
    ...mutation,
    key: picked(key, positions),
    ...(movedFrom !== undefined && {
      movedFrom: picked(movedFrom, positions),
    }),
  };
}

function picked(key: JsonText, positions: readonly number[]): JsonText {
  const elements = arrayElements(key);
  return `[${positions.map((at) => elements[at]!).join(',')}]` as JsonText;
}
