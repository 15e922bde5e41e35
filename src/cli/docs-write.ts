/** `npm run docs`: writes the generated pages. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { docsPages } from './docs-pages.ts';

mkdirSync(new URL('../../docs/', import.meta.url), { recursive: true });
for (const [path, text] of await docsPages()) {
  writeFileSync(new URL(`../../${path}`, import.meta.url), text);
  process.stdout.write(`${path}\n`);
}
