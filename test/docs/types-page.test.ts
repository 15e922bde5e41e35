import { expect, test } from 'vitest';
import { typesPage } from '../contract/types-page.ts';

test('docs/types.md says what the tests of the types hold against each target', async () => {
  await expect(typesPage()).toMatchFileSnapshot('../../docs/types.md');
});
