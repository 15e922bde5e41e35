import { expect, test } from 'vitest';
import { sourceFailure } from '../../src/source/logical/server/source-errors.ts';
import { postgresFailure } from '../../src/staging/postgres/errors.ts';

const answer = (
  code: string,
  message: string,
  more: Readonly<Record<string, string>> = {},
): Error =>
  Object.assign(new Error(message), { severity: 'ERROR', code, ...more });

const inDecoding = {
  where:
    'slot "s", output plugin "pgoutput", in the change callback, associated LSN 0/1',
};

test.each([
  [
    'of a row filter',
    answer(
      '22P02',
      'invalid input syntax for type integer: "Markd"',
      inDecoding,
    ),
  ],
  [
    'of the output function of a type',
    answer('XX000', 'cannot print Markd', inDecoding),
  ],
  [
    'of a function',
    answer('P0001', 'no Markd here', { routine: 'exec_stmt_raise' }),
  ],
  [
    'of a function that seems to be the server',
    answer('55006', 'no Markd here', {
      routine: 'exec_stmt_raise',
      constraint: 'Markd',
    }),
  ],
])('the words %s at a source or a staging stay there', (_, error) => {
  for (const failure of [
    sourceFailure(error, 'db.example/shop'),
    postgresFailure(error) as Error,
  ]) {
    expect(failure.message).toContain('SQLSTATE');
    expect(failure.message).not.toContain('Markd');
  }
});

test.each([
  ['42704', 'publication "shop" does not exist'],
  ['55006', 'replication slot "shop" is active for PID 7'],
  ['55000', 'can no longer get changes from replication slot "shop"'],
])(
  'what a source says of slots and publications is shown (%s)',
  (code, message) => {
    for (const more of [{}, inDecoding]) {
      expect(
        sourceFailure(answer(code, message, more), 'db.example/shop').message,
      ).toContain(message);
    }
  },
);
