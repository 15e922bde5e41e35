import { describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { wrapText } from '../../src/cli/wrap-text.ts';
import { runCommandLine } from '../support/captured-io.ts';

/** Whole texts as files, so that a changed option is reviewed as text. */
test('the overview', async () => {
  const run = await runCommandLine(['--help']);
  expect(run.exitCode).toBe(0);
  await expect(run.stdout).toMatchFileSnapshot('__snapshots__/help.txt');
  expect((await runCommandLine(['help'])).stdout).toBe(run.stdout);
});

describe.each(Object.keys(commands))('%s', (name) => {
  const words = name.split(' ');

  test('is explained by help and by --help alike', async () => {
    const run = await runCommandLine(['help', ...words]);
    expect(run.exitCode).toBe(0);
    await expect(run.stdout).toMatchFileSnapshot(
      `__snapshots__/help-${words.join('-')}.txt`,
    );
    const flag = await runCommandLine([...words, '--help']);
    expect(flag).toEqual(run);
  });

  test('fits a terminal of 80 columns, but for long signatures', async () => {
    const { stdout } = await runCommandLine(['help', ...words]);
    const long = stdout
      .split('\n')
      .filter((line) => line.length > 80 && !/^ {2}-/.test(line));
    expect(long).toEqual([]);
  });

  test('bears its own name', async () => {
    expect((await commands[name]!.load()).name).toBe(name);
  });
});

test('a word longer than the line stands alone', () => {
  expect(wrapText('a looooong word', 5)).toEqual(['a', 'looooong', 'word']);
});
