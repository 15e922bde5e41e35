/** HSQLDB in the place of an Oracle connection: its constraints, our transaction. */
import type { OracleSession } from '../../src/target/oracle/session/driver.ts';
import type { Hsqldb } from './oracle-hsqldb.ts';

/**
 * HSQLDB wants to know a parameter's type, prints no three digits of a second,
 * and has the standard's place for the condition of an update.
 */
export function inHsqldb(statement: string): string {
  return statement
    .replaceAll('SS.FF3"Z"', 'SS"Z"')
    .replaceAll(/:\d+/g, 'cast(? as varchar2(4000))')
    .replace(
      /when matched then update set([^]*?)\nwhere ([^]*?)\nwhen not/,
      'when matched and ($2) then update set$1\nwhen not',
    );
}

/** HSQLDB's words, and Oracle's numbers for the same. */
const numbers: readonly (readonly [RegExp, number])[] = [
  [/unique constraint/, 1],
  [/foreign key no parent/, 2291],
  [/foreign key no action/, 2292],
  [/NOT NULL/, 1400],
  [/object not found/, 942],
];

export function hsqldbSession(database: Hsqldb): OracleSession {
  const run = async (text: string, values: readonly (string | null)[]) => {
    try {
      return await database.run(inHsqldb(text), values);
    } catch (error) {
      const { message } = error as Error;
      const [, number] =
        numbers.find(([words]) => words.test(message)) ??
        ([null, 600] as const);
      throw Object.assign(
        new Error(`ORA-${String(number).padStart(5, '0')}: ${message}`),
        { errorNum: number },
      );
    }
  };
  return {
    usable: true,
    async query(text, values = []) {
      const rows = await run(text, values);
      const names = /^select (.*?) from/
        .exec(text)![1]!
        .split(/, (?![^(]*\))/)
        .map((column) => column.replace(/.* as /, ''));
      return (rows as (string | null)[][]).map((row) =>
        Object.fromEntries(row.map((value, index) => [names[index]!, value])),
      );
    },
    async run(text, values = []) {
      return (await run(text, values as string[])) as number;
    },
    async executeMany(text, { rows }, { goesOn = false } = {}) {
      const failed = [];
      for (const [row, values] of rows.entries()) {
        try {
          await run(text, values as string[]);
        } catch (error) {
          if (!goesOn) {
            throw error;
          }
          failed.push({ row, error: error as Error });
        }
      }
      return failed;
    },
    async commit() {
      await run('commit', []);
    },
    async rollback() {
      await run('rollback', []);
    },
    cancel: () => ({ [Symbol.dispose]: () => {} }),
    destroy: () => {},
  };
}
