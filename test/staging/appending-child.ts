/**
 * Appends to the store under argv[2] for ever and prints a line for each
 * acknowledged call, so that a test can kill it at any moment.
 */
import { writeSync } from 'node:fs';
import { encodeEntries } from '../../src/staging/batch-codec.ts';
import { openSqliteStore } from '../../src/staging/sqlite/sqlite-store.ts';
import { at, row, schema } from '../contract/staging-place.ts';

const [dataDir = '', round = ''] = process.argv.slice(2);
const store = openSqliteStore({ dataDir, exclusive: true });
const filler = `"${'x'.repeat(2000)}"`;
let next = 0;

async function lane(): Promise<void> {
  for (;;) {
    const number = next++;
    const name = `${round}-${number}`;
    const mutations = Array.from({ length: 10 }, (_, i) =>
      row(at(number % 60), `${name}-${i}`, filler),
    );
    try {
      await store.append(
        encodeEntries(schema, [{ table: 'orders', mutations }]),
      );
    } catch (error) {
      writeSync(1, `failed ${(error as { code?: string }).code}\n`);
      return;
    }
    writeSync(1, `${name}\n`);
  }
}

await Promise.all([lane(), lane(), lane(), lane()]);
