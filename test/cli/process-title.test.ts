import { expect, test } from 'vitest';
import { titleWithoutSecrets } from '../../src/cli/process-title.ts';

test.each([
  [
    ['start', '--targetConn=postgresql://u:hunter2@h/d', '--flushSize=7'],
    'replicator start --targetConn=postgresql://***@h/d --flushSize=7',
  ],
  [
    ['start', '--targetConn', 'postgresql://u:hunter2@h/d'],
    'replicator start --targetConn postgresql://***@h/d',
  ],
  [['start', '--stagingConn=hunter2'], 'replicator start --stagingConn=***'],
  [
    ['workload', 'run', '--url', 'https://h/d?client_key=aGVsbG8'],
    'replicator workload run --url https://h/d?client_key=***',
  ],
  [['start', '--targetConn=env:URL', '--dataDir', 'd'], null],
  [['staging', 'list'], null],
])('%j is shown as %s', (argv, title) => {
  expect(titleWithoutSecrets(argv)).toBe(title);
});
