import { expect, test } from 'vitest';
import { environmentName } from '../../src/config/environment.ts';
import {
  optionValue,
  printOptionValue,
} from '../../src/config/option-value.ts';
import { type OptionTable, startOptions } from '../../src/config/options.ts';
import { peerOptions } from '../../src/config/peer-options.ts';

const entries = Object.entries(startOptions as OptionTable);

test('no two options share an environment name', () => {
  const names = [...Object.keys(startOptions), ...Object.keys(peerOptions)].map(
    environmentName,
  );
  expect(new Set(names).size).toBe(names.length);
});

test.each([
  ['flushSize', 'REPLICATOR_FLUSH_SIZE'],
  ['tlsClientCA', 'REPLICATOR_TLS_CLIENT_CA'],
  ['tlsCACertificate', 'REPLICATOR_TLS_CA_CERTIFICATE'],
  ['dry-run', 'REPLICATOR_DRY_RUN'],
])('%s is %s in the environment', (option, name) => {
  expect(environmentName(option)).toBe(name);
});

test.each(entries.filter(([, entry]) => !('refusesEmpty' in entry)))(
  'the default of --%s, typed in, is the default',
  (_, entry) => {
    const text = printOptionValue(entry, entry.default);
    expect(optionValue(entry, { text, where: '' }, {})).toBe(entry.default);
  },
);

test.each(entries)('--%s is explained in whole sentences', (_, entry) => {
  expect(entry.about).toMatch(/^[A-Z0-9].*\.$/);
});

test("no option of ours is at the same time one that we lack of the peer's", () => {
  expect(
    Object.keys(peerOptions).filter((name) => name in startOptions),
  ).toEqual([]);
});
