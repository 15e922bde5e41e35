import { expect, test } from 'vitest';
import { parseArgv } from '../../src/config/argv.ts';
import type { OptionTable } from '../../src/config/option-entry.ts';

const flag = { type: 'boolean', default: false, group: 'Command', about: '' };
const table = { 'dry-run': flag, collapseMutations: flag } as OptionTable;

test.each([
  ['--dry-run', 'dry-run', 'true'],
  ['--dryRun', 'dry-run', 'true'],
  ['--dryRun=false', 'dry-run', 'false'],
  ['--collapseMutations', 'collapseMutations', 'true'],
  ['--collapse-mutations', 'collapseMutations', 'true'],
  ['--no-collapseMutations', 'collapseMutations', 'false'],
])(
  '%s is understood in whatever spelling the option is listed',
  (typed, name, text) => {
    const { raw } = parseArgv([typed], table, {});
    expect([...raw].map(([key, value]) => [key, value.text])).toEqual([
      [name, text],
    ]);
  },
);

test.each(['--dryrun', '--Dry-Run', '--dry-Run'])(
  '%s, a spelling of nobody, is refused',
  (typed) => {
    expect(() => parseArgv([typed], table, {})).toThrow('no option');
  },
);
