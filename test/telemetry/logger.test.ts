import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import {
  createLogger,
  type Logger,
  openLogger,
} from '../../src/telemetry/logger.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';

const folder = mkdtempSync(join(tmpdir(), 'replicator-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

function captured(
  logFormat: 'text' | 'fluent',
  log: (logger: Logger) => void,
  verbose = 0,
  metrics?: Metrics,
): string {
  let text = '';
  const sink = { write: (line: string) => void (text += line) };
  log(createLogger({ logFormat, verbose }, sink, metrics));
  return text;
}

const hostile = fc.constantFrom(
  ...'\n\r\t\u0000\u001b\u007f\u0085\u009b\u2028\u2029"\\= ab'.split(''),
);
const stamp = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

describe('text', () => {
  test('is one line with the year, the level, the message and the fields', () => {
    const text = captured('text', (logger) =>
      logger.info(
        { schema: 'db.public', rows: 3, note: 'two words' },
        'staged',
      ),
    );
    expect(text.replace(stamp, 'TIME')).toBe(
      'TIME INFO  staged schema=db.public rows=3 note="two words"\n',
    );
  });

  test('an error shows its code and remedy, and its stack indented', () => {
    const error = new ReplicatorError('E4002', {
      detail: 'gone',
      cause: new Error('read ECONNRESET'),
    });
    const lines = captured('text', (logger) =>
      logger.warn({ err: error }, 'applying failed'),
    ).split('\n');
    expect(lines[0]!.replace(stamp, 'TIME')).toBe(
      `TIME WARN  applying failed error="E4002 gone" cause="read ECONNRESET" remedy=${JSON.stringify(error.remedy)}`,
    );
    expect(lines[1]).toMatch(/^ {4}at /);
  });

  test('what a stranger sends cannot begin a line or move the cursor', () => {
    fc.assert(
      fc.property(fc.string({ unit: hostile }), (text) => {
        const error = new Error(text, { cause: new Error(text) });
        delete error.stack;
        const lines = captured('text', (logger) =>
          logger.error({ path: text, err: error }, text),
        );
        expect(lines.match(/\n/g)).toHaveLength(1);
        expect(lines.slice(0, -1)).not.toMatch(
          /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/,
        );
      }),
    );
  });
});

test('fluent is one JSON object a line with severity, message and time', () => {
  const text = captured('fluent', (logger) =>
    logger.child({ pipeline: 'db.public' }).warn('behind'),
  );
  expect(JSON.parse(text)).toEqual({
    severity: 'WARNING',
    time: expect.stringMatching(stamp),
    pipeline: 'db.public',
    message: 'behind',
  });
});

test.each([
  [0, ['info', 'warn', 'error', 'fatal']],
  [1, ['debug', 'info', 'warn', 'error', 'fatal']],
  [2, ['trace', 'debug', 'info', 'warn', 'error', 'fatal']],
  [5, ['trace', 'debug', 'info', 'warn', 'error', 'fatal']],
])('at -v %d these levels are written and counted', async (verbose, levels) => {
  const metrics = createMetrics();
  const text = captured(
    'text',
    (logger) => {
      for (const level of [
        'trace',
        'debug',
        'info',
        'warn',
        'error',
        'fatal',
      ] as const) {
        logger[level]('x');
      }
    },
    verbose,
    metrics,
  );
  expect(text.split('\n')).toHaveLength(levels.length + 1);
  const { values } = await metrics.log_message_count.get();
  expect(values.map(({ labels, value }) => [labels.level, value])).toEqual(
    levels.map((level) => [level, 1]),
  );
});

describe.each(['text', 'fluent'] as const)('%s', (logFormat) => {
  test('a planted secret never appears, wherever it stands', () => {
    const secret = fc
      .string({ unit: 'grapheme-ascii', minLength: 6, maxLength: 30 })
      .filter((text) => !/[\s`<>]/.test(text))
      .map((text) => `s3cr${text}t`);
    fc.assert(
      fc.property(secret, (planted) => {
        const url = `postgresql://user:${planted}@host/db`;
        const text = captured(logFormat, (logger) =>
          logger.error(
            {
              targetConn: planted,
              options: { stagingConn: planted, password: planted },
              url,
              nested: { deep: { url } },
              err: new Error(`dialling ${url}`, { cause: new Error(url) }),
            },
            `could not reach ${url}`,
          ),
        );
        expect(text).not.toContain(planted);
        expect(text).not.toContain(JSON.stringify(planted).slice(1, -1));
      }),
    );
  });
});

describe('--logDestination', () => {
  const options = { logFormat: 'text', verbose: 0 } as const;

  test('is appended to', () => {
    const logDestination = join(folder, 'new', 'replicator.log');
    for (const message of ['first', 'second']) {
      using log = openLogger({ ...options, logDestination });
      log.logger.info(message);
    }
    expect(readFileSync(logDestination, 'utf8')).toMatch(/first\n.* second\n$/);
  });

  test('is opened anew after it was rotated', () => {
    const logDestination = join(folder, 'rotated.log');
    using log = openLogger({ ...options, logDestination });
    log.logger.info('before');
    renameSync(logDestination, `${logDestination}.1`);
    log.logger.info('still before');
    log.reopen();
    log.logger.info('after');
    expect(readFileSync(`${logDestination}.1`, 'utf8')).toMatch(
      /before\n.* still before\n$/,
    );
    expect(readFileSync(logDestination, 'utf8')).toMatch(
      /^\S+ INFO {2}after\n$/,
    );
  });

  test('that is a folder ends in E5005', () => {
    expect(() => openLogger({ ...options, logDestination: folder })).toThrow(
      expect.objectContaining({ code: 'E5005' }),
    );
  });
});
