import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, test } from 'vitest';

import { decodeBody } from '../../../../src/source/changefeed/decode/decode.ts';
import { decodeContext, schemaShape, tableShape } from './shapes.ts';

const folder = path.join(import.meta.dirname, '../../../testdata/webhook');
const cases = globSync('*.json', { cwd: folder })
  .filter((file) => !file.endsWith('.mutations.json'))
  .map((file) => path.basename(file, '.json'))
  .toSorted();

const shape = schemaShape(
  tableShape('orders', ['id'], ['customer_id', 'amount', 'note']),
  tableShape('customers', ['id'], ['name']),
  tableShape('odd', ['id'], ['key', 'topic']),
  tableShape('regional', ['id', 'region'], ['v']),
  tableShape('lines', ['id'], ['q'], ['total']),
  tableShape(
    'Odd "Names".x',
    ['id'],
    ['Größe', 'a.b', "it's", 'quo"ted', 'emoji 🦔'],
  ),
);

describe('a request becomes these mutations', () => {
  test.each(cases)('%s', async (name) => {
    const text = readFileSync(path.join(folder, `${name}.json`), 'utf8');
    const decoded = decodeBody(text, decodeContext(shape));
    await expect(`${JSON.stringify(decoded, null, 2)}\n`).toMatchFileSnapshot(
      path.join(folder, `${name}.mutations.json`),
    );
  });
});
