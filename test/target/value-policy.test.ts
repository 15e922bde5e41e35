import { expect, test } from 'vitest';
import type { JsonText } from '../../src/mutation/mutation.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import {
  columnarRows,
  columnTexts,
} from '../../src/target/values/column-texts.ts';
import type {
  ColumnShape,
  ShapeRows,
  TableShape,
} from '../../src/target/target.ts';
import {
  type ReplacedValue,
  UnstorableValue,
  type ValuePolicy,
} from '../../src/target/value-policy.ts';
import { textValues } from '../../src/target/row-values.ts';

const id = column('id', { keyOrdinal: 1 });
const tenant = column('tenant', { keyOrdinal: 0 });
const nullable = column('nullable');
const required = column('required', { nullable: false });

const table = {
  schema: schemaName(['db', 'public']),
  name: 't',
  primaryKey: [tenant, id],
} as unknown as TableShape;

const rows: ShapeRows = {
  table,
  columns: [id, tenant, nullable, required],
  values: textValues(
    [
      ['1', '2'],
      ['"x"', '"y"'],
      ['"short"', '"too long"'],
      ['"too long"', '"NaN"'],
    ] as JsonText[][],
    2,
  ),
  rowCount: 2,
};

test.each<{
  policy: ValuePolicy;
  of: ColumnShape;
  texts: (string | null)[] | string;
  /** Keys of the rows in which it was replaced. */
  replaced?: string[];
}>([
  {
    policy: 'error',
    of: nullable,
    texts:
      'E4006 column "nullable" of table db.public.t, row ["y", 2]: the value is too long',
  },
  {
    policy: 'null',
    of: nullable,
    texts: ['short', null],
    replaced: ['["y", 2]'],
  },
  {
    policy: 'clamp',
    of: nullable,
    texts: ['short', 'too l'],
    replaced: ['["y", 2]'],
  },
  {
    policy: 'null',
    of: required,
    texts:
      'E4006 column "required" of table db.public.t, row ["x", 1]: the value is too long',
  },
  {
    policy: 'clamp',
    of: required,
    texts:
      'E4006 column "required" of table db.public.t, row ["y", 2]: the value has nothing near',
    replaced: ['["x", 1]'],
  },
  {
    policy: 'clamp',
    of: tenant,
    texts:
      'E4006 column "tenant" of table db.public.t, row ["x", 1]: the value is no key',
  },
])(
  '$policy: a value of $of.name',
  ({ policy, of, texts, replaced: keys = [] }) => {
    const replaced: ReplacedValue[] = [];
    expect(
      outcome(() =>
        columnTexts(columnarRows(rows), rows.columns.indexOf(of), {
          columnText,
          policies: {
            policyOf: () => policy,
            onReplaced: (value) => replaced.push(value),
          },
        }),
      ),
    ).toEqual(texts);
    expect(replaced).toEqual(
      keys.map((key) => ({
        table,
        column: of,
        key,
        policy,
        reason: 'is too long',
      })),
    );
  },
);

test('keys of rows to delete are columns as well', () => {
  expect(
    columnarRows({
      table,
      keys: [['"x"'], ['1']] as JsonText[][],
      rowCount: 1,
    }),
  ).toMatchObject({
    table,
    columns: [tenant, id],
    values: { texts: [['"x"'], ['1']] },
    rowCount: 1,
  });
});

function columnText(of: ColumnShape, token: JsonText): string {
  const text = token.slice(1, -1);
  if (of === tenant) {
    throw new UnstorableValue('is no key', 'z');
  }
  if (text === 'NaN') {
    throw new UnstorableValue('has nothing near');
  }
  if (text.length > 5) {
    throw new UnstorableValue('is too long', text.slice(0, 5));
  }
  return text;
}

function outcome(work: () => (string | null)[]): (string | null)[] | string {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    return `${code} ${message}`;
  }
}

function column(name: string, more: Partial<ColumnShape> = {}): ColumnShape {
  return { name, keyOrdinal: null, nullable: true, ...more } as ColumnShape;
}
