import { expect, test } from 'vitest';
import { runCommandLine } from '../../support/captured-io.ts';

test('an engine that needs no preparation is told so without a dial', async () => {
  expect(
    await runCommandLine([
      'target',
      'prepare',
      '--targetConn=mysql://u:p@127.0.0.1:1/shop',
    ]),
  ).toEqual({
    stdout:
      'nothing to prepare; the tables that the daemon keeps in a schema are made with --targetSchema\n',
    stderr: '',
    exitCode: 0,
  });
});

test('without a target it says how to name one', async () => {
  const { stderr, exitCode } = await runCommandLine(['target', 'prepare']);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('--targetConn must be given');
});
