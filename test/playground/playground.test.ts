/** What of the playground can be known without a container engine. */
import { execFile } from 'node:child_process';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { environmentName } from '../../src/config/environment.ts';
import { startOptions } from '../../src/config/options.ts';
import { metricTable } from '../../src/telemetry/metric-table.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Service {
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: object;
}

const compose = parse(read('docker-compose.yml')) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);

test('every file that a service mounts exists, and every volume is declared', () => {
  const sources = services.flatMap(([, service]) =>
    (service.volumes ?? []).map((volume) => String(volume.split(':')[0])),
  );
  const missing = sources.filter((source) =>
    source.startsWith('.')
      ? !existsSync(join(root, source))
      : !(source in compose.volumes),
  );
  expect(missing).toEqual([]);
  expect(sources.length).toBeGreaterThan(8);
});

test('services wait only for services that exist', () => {
  const names = services.flatMap(([, { depends_on: needs = {} }]) =>
    Array.isArray(needs) ? (needs as string[]) : Object.keys(needs),
  );
  expect(names.filter((name) => !(name in compose.services))).toEqual([]);
});

test('what a service runs from a mount is mounted there', () => {
  const runs = services.flatMap(([name, { entrypoint = [], volumes = [] }]) =>
    entrypoint
      .filter((word) => /^\/(app\/)?docker\//.test(word))
      .map((path) => ({ name, path, volumes })),
  );
  expect(runs).toHaveLength(3);
  for (const { path, volumes } of runs) {
    expect(volumes.map((volume) => volume.split(':')[1])).toContain(path);
  }
});

test('the replicator is started with flags that exist', () => {
  const [command, ...flags] = compose.services['replicator']?.command ?? [];
  expect(command).toBe('start');
  const names = flags.map((flag) => /^--([^=]+)=/.exec(flag)?.[1] ?? flag);
  expect(names.filter((name) => !(name in startOptions))).toEqual([]);
  expect(names).toContain('tlsClientCA');
});

test('every REPLICATOR_ variable of the image and the playground is an option', () => {
  const known = Object.keys(startOptions).map(environmentName);
  const used = `${read('Dockerfile')}${read('docker-compose.yml')}`.match(
    /REPLICATOR_[A-Z_]+/g,
  );
  expect(new Set(used)).toEqual(
    new Set(['REPLICATOR_DATA_DIR', 'REPLICATOR_METRICS_ADDR']),
  );
  expect([...new Set(used)].filter((name) => !known.includes(name))).toEqual(
    [],
  );
});

test('the image is given every file that it copies', () => {
  const ignore = read('.dockerignore').split('\n');
  expect(ignore[0]).toBe('*');
  const copied = [
    ...read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm),
  ].flatMap((match) => String(match[1]).split(' '));
  expect(copied.filter((path) => !ignore.includes(`!${path}`))).toEqual([]);
  expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('the image compiles every module, and none of them runs when it is loaded', async () => {
  const [, script] = /^RUN node -e "(.+)" \\$/m.exec(read('Dockerfile'))!;
  const here = script!.replace('/app/src/', `${root}src/`);
  expect(here).not.toBe(script);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '-e',
    here,
  ]);
  expect([stdout, stderr]).toEqual(['', '']);
});

test('every panel asks for metrics that exist', () => {
  const dashboard = JSON.parse(read('docker/grafana/dashboard.json')) as {
    panels: { type: string; title: string; targets?: { expr: string }[] }[];
  };
  const known = Object.entries(metricTable).flatMap(([name, { type }]) =>
    type === 'histogram'
      ? [`${name}_bucket`, `${name}_sum`, `${name}_count`]
      : [name],
  );
  const expressions = dashboard.panels.flatMap(({ targets = [] }) =>
    targets.map(({ expr }) => expr),
  );
  const used = expressions.flatMap(
    (expression) =>
      expression
        .replace(/\b(by|on|group_left) \([^)]*\)/g, '')
        .replace(/\{[^}]*\}/g, '')
        .match(/[a-z]\w*_\w+/g) ?? [],
  );
  const functions = ['histogram_quantile'];
  const names = new Set(used.filter((name) => !functions.includes(name)));
  // Grafana's own variable in a range: not a metric.
  names.delete('rate_interval');
  expect([...names].filter((name) => !known.includes(name))).toEqual([]);
  expect(names.size).toBeGreaterThan(40);
  expect(
    dashboard.panels.filter(
      ({ type, targets = [] }) => type !== 'row' && targets.length === 0,
    ),
  ).toEqual([]);
});

test('panels group only by labels that their metric has', () => {
  const { panels } = JSON.parse(read('docker/grafana/dashboard.json')) as {
    panels: { targets?: { expr: string }[] }[];
  };
  const wrong: string[] = [];
  for (const { expr } of panels.flatMap(({ targets = [] }) => targets)) {
    const labels = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? [];
    const entry = Object.entries(metricTable).find(([name]) =>
      new RegExp(`\\b${name}(_bucket|_sum|_count)?\\b`).test(expr),
    );
    const known = ['le', 'instance', ...(entry?.[1].labels ?? [])];
    if (labels.some((label) => !known.includes(label))) wrong.push(expr);
  }
  expect(wrong).toEqual([]);
});

test('Grafana finds the data source and the dashboard where they are mounted', () => {
  const { datasources } = parse(
    read('docker/grafana/provisioning/datasources/prometheus.yml'),
  ) as { datasources: { url: string }[] };
  expect(datasources.map(({ url }) => url)).toEqual(['http://prometheus:9090']);
  const { providers } = parse(
    read('docker/grafana/provisioning/dashboards/replicator.yml'),
  ) as { providers: { options: { path: string } }[] };
  const grafana = compose.services['grafana'];
  const mounts = grafana?.volumes?.map((volume) => volume.split(':')[1]);
  const home =
    grafana?.environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'];
  expect(mounts).toContain(home);
  expect(home?.startsWith(`${providers[0]?.options.path}/`)).toBe(true);
});

test('the certificates job makes a pair that trusts one another, once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-test-certificates-'));
  try {
    const make = (): Promise<unknown> =>
      promisify(execFile)(process.execPath, [
        join(root, 'docker/certificates.ts'),
        folder,
        'replicator',
      ]);
    await make();
    const statement = await readFile(join(folder, 'changefeed.sql'), 'utf8');
    const sink = new URL(/into '(.*)'/.exec(statement)?.[1] ?? '');
    expect(sink.protocol).toBe('webhook-https:');
    expect(`${sink.host}${sink.pathname}`).toBe('replicator:26258/shop/public');
    const part = (name: string): string =>
      Buffer.from(sink.searchParams.get(name) ?? '', 'base64').toString();
    const authority = new X509Certificate(part('ca_cert'));
    const client = new X509Certificate(part('client_cert'));
    const server = new X509Certificate(
      await readFile(join(folder, 'server.pem')),
    );
    expect(client.verify(authority.publicKey)).toBe(true);
    expect(client.checkPrivateKey(createPrivateKey(part('client_key')))).toBe(
      true,
    );
    expect(server.verify(authority.publicKey)).toBe(true);
    expect(server.checkHost('replicator')).toBe('replicator');
    expect(await readFile(join(folder, 'ca.pem'), 'utf8')).toBe(
      part('ca_cert'),
    );
    await make();
    expect(await readFile(join(folder, 'changefeed.sql'), 'utf8')).toBe(
      statement,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
