/**
 * What README and docs name must be there: files, headings, options, metrics
 * and error codes. A page that has fallen behind the code fails here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { peerOptions } from '../../src/config/peer-options.ts';
import { errorCodes } from '../../src/failure/codes.ts';
import { metricTable } from '../../src/telemetry/metric-table.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const loaded = await Promise.all(
  Object.values(commands).map(({ load }) => load()),
);
const optionNames = new Set([
  ...loaded.flatMap(({ options }) => Object.keys(options)),
  ...Object.keys(peerOptions),
]);

// These run when they are loaded, so their flags are read from their text.
for (const program of ['bench/options.ts', 'test/demo/demo-options.ts']) {
  const text = readFileSync(join(root, program), 'utf8');
  for (const [, name] of text.matchAll(
    /^ +(\w+): \{\s+type: '(?:boolean|string|enum|int)'/gm,
  )) {
    optionNames.add(name!);
  }
}

/** How docs/options.md writes an option that might be any. */
optionNames.add('flag');

/** Metrics begin with one of these; so do tables of ours and their columns. */
const metricPrefixes = new Set(
  Object.keys(metricTable).map((name) => name.slice(0, name.indexOf('_') + 1)),
);
const noMetrics: ReadonlySet<string> = new Set([
  'replicator_checkpoint',
  'jwt_public_keys',
  'jwt_revoked_ids',
  'replicator_dlq',
  'source_nanos',
  'source_logical',
  'log_bin',
]);

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const { prose, commandLines, queries } = partsOf(text);

  test('every relative link leads to a file, and to a heading of it', () => {
    const dead = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [path, anchor] = target.split('#') as [string, string?];
        const file = path === '' ? page : normalize(join(dirname(page), path));
        return (
          !existsSync(join(root, file)) ||
          (anchor !== undefined && !anchorsOf(file).includes(anchor))
        );
      });
    expect(dead).toEqual([]);
  });

  test('every path of the project that it names is there', () => {
    const named = prose.matchAll(
      /(?<![\w/.-])(?:src|test|docs|bench|bin|docker)\/[\w./-]*\w/g,
    );
    expect(
      [...named]
        .map(([path]) => path)
        .filter((path) => !existsSync(join(root, path))),
    ).toEqual([]);
  });

  test('every option that it names is one', () => {
    const named = [prose, ...commandLines].flatMap((part) =>
      Array.from(part.matchAll(/(?<![\w-])--(?:no-)?([a-z][\w-]*)/g)),
    );
    expect(
      named.map(([, name]) => name!).filter((name) => !optionNames.has(name)),
    ).toEqual([]);
  });

  test('every metric that it names is one', () => {
    const inCode = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
    const named = [...inCode, ...queries].flatMap((code) =>
      Array.from(code.matchAll(/(?<![\w.])[a-z]+(?:_[a-z]+)+(?![\w.(])/g)),
    );
    expect(
      named
        .map(([name]) => name.replace(/_(?:bucket|sum|count)$/, ''))
        .filter((name) => looksLikeMetric(name) && !isMetric(name)),
    ).toEqual([]);
  });

  test('every error code that it names is in the catalogue', () => {
    const named = text.match(/\bE\d{4}\b/g) ?? [];
    expect(named.filter((code) => !Object.hasOwn(errorCodes, code))).toEqual(
      [],
    );
  });
});

test('the numbered pages are all listed in README', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const numbered = pages.filter((page) => /\/\d\d-/.test(page));
  expect(numbered.length).toBeGreaterThan(5);
  expect(numbered.filter((page) => !readme.includes(`](${page})`))).toEqual([]);
});

function looksLikeMetric(name: string): boolean {
  return (
    metricPrefixes.has(name.slice(0, name.indexOf('_') + 1)) &&
    !noMetrics.has(name)
  );
}

function isMetric(name: string): boolean {
  return (
    Object.hasOwn(metricTable, name) ||
    Object.hasOwn(metricTable, `${name}_count`) ||
    Object.hasOwn(metricTable, `${name}_sum`)
  );
}

/**
 * Prose without fenced blocks; the lines in those that call replicator, whole
 * where they go on behind a backslash; and the PromQL.
 */
function partsOf(text: string): {
  prose: string;
  commandLines: string[];
  queries: string[];
} {
  const commandLines: string[] = [];
  const queries: string[] = [];
  const prose = text.replace(
    /^ *```(\w*)\n([\s\S]*?)^ *```$/gm,
    (_block, language: string, body: string) => {
      if (language === 'promql') {
        queries.push(body.replaceAll(/#.*$/gm, ''));
      } else if (language === 'sh' || language === 'ini') {
        commandLines.push(
          ...body
            .replaceAll('\\\n', ' ')
            .split('\n')
            .filter((line) => /(?:^|\/|=|\s)replicator\s/.test(line)),
        );
      }
      return '';
    },
  );
  return { prose, commandLines, queries };
}

/** As GitHub makes them of headings. */
function anchorsOf(file: string): string[] {
  return [
    ...readFileSync(join(root, file), 'utf8').matchAll(/^#+ (.+)$/gm),
  ].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
