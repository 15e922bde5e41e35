/** `npm run sbom`: writes sbom.cdx.json (CycloneDX). */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type LockFile, productionSbom, type Sbom } from './sbom.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const lock = JSON.parse(
  readFileSync(`${root}/package-lock.json`, 'utf8'),
) as LockFile;
const whole = JSON.parse(
  execFileSync(
    'npm',
    ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 },
  ),
) as Sbom;
const sbom = productionSbom(whole, lock);
const path = process.argv[2] ?? `${root}/sbom.cdx.json`;
writeFileSync(path, `${JSON.stringify(sbom, null, 2)}\n`);
process.stdout.write(`${path}: ${sbom.components.length} packages\n`);
