/**
 * PostgreSQL's own reader of slots. The npm package of the servers has no
 * clients, so it comes from Debian, once, into `.cache`. It is older than the
 * server; the protocol is the same.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebianPackage } from '../../test/support/mysql-packages.ts';
import { startUndertaker } from '../../test/support/undertaker.ts';
import type { Floor } from '../case.ts';
import { type BacklogKind, PUBLICATION } from '../sources/backlogs.ts';
import { startSlotReader } from '../sources/slot-daemon.ts';
import { slotSource } from '../sources/slot-source.ts';

/** A stable suite: its packages stay for years. */
const SUITE = 'trixie';
const VERSION = 17;

const CACHE = join(import.meta.dirname, '..', '..', '.cache', 'bench-tools');

export const PLUGIN_OPTIONS: Readonly<Record<string, string>> = {
  proto_version: '4',
  publication_names: PUBLICATION,
};

export function recvLogicalFloor(kind: BacklogKind): Floor {
  return {
    name: `pg_recvlogical to /dev/null, ${kind.name}`,
    async measure({ environment, changes }) {
      const program = await recvLogicalProgram();
      await using stack = new AsyncDisposableStack();
      const source = await slotSource(environment);
      const backlog = await source.backlog(kind, changes);
      const slot = stack.use(await backlog.openSlot());
      const reader = stack.use(
        startSlotReader({
          command: program.command,
          args: [
            ...program.parameters,
            `--dbname=${backlog.sourceUrl}`,
            `--slot=${slot.name}`,
            '--start',
            '--no-loop',
            '--file=/dev/null',
            `--endpos=${backlog.endLsn}`,
            ...Object.entries(PLUGIN_OPTIONS).map(
              ([name, value]) => `--option=${name}=${value}`,
            ),
          ],
          env: { LC_ALL: 'C', OPENSSL_CONF: '/dev/null' },
        }),
      );
      await reader.during((ended) => slot.untilActive(ended));
      const startedAtMs = performance.now();
      const code = await reader.exited;
      const elapsedMs = performance.now() - startedAtMs;
      await reader.during(async () => {
        if (code !== 0 || !(await slot.isConfirmed(backlog.endLsn))) {
          throw new Error(`it did not reach ${backlog.endLsn}`);
        }
      });
      return (backlog.changes * 1000) / elapsedMs;
    },
  };
}

interface Program {
  /** The C library's loader: the package need not fit this machine's. */
  readonly command: string;
  readonly parameters: readonly string[];
}

async function recvLogicalProgram(): Promise<Program> {
  const folder = join(CACHE, `postgresql-client-${VERSION}-${SUITE}`);
  if (!existsSync(folder)) await install(folder);
  const lib = join(folder, 'usr', 'lib');
  const triplet = (await readdir(lib)).find((name) =>
    name.endsWith('-linux-gnu'),
  );
  const libraries = join(lib, triplet ?? '');
  const loader = (await readdir(libraries)).find((name) =>
    /^ld-linux.*\.so\.\d+$/.test(name),
  );
  if (loader === undefined) throw new Error(`no loader in ${libraries}`);
  return {
    command: join(libraries, loader),
    parameters: [
      '--library-path',
      libraries,
      join(lib, 'postgresql', String(VERSION), 'bin', 'pg_recvlogical'),
    ],
  };
}

async function install(folder: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(`${folder}-draft-`);
  await using _ = startUndertaker('rm -rf "$1"', [draft]);
  await unpackDebianPackage(
    { suite: SUITE, packageName: `postgresql-client-${VERSION}` },
    draft,
  );
  try {
    // Atomic: whoever sees the final name sees a whole package.
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process was first.
    if (!existsSync(folder)) throw error;
  }
}
