/** The address decides the engine, as it does for `replicator start`. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { Engine } from './engine.ts';

interface EngineEntry {
  readonly load: () => Promise<Engine>;
  /** The path of the webhook that names a schema of it. */
  readonly path: readonly string[];
}

const postgres: EngineEntry = {
  load: async () => (await import('./postgres.ts')).postgresEngine,
  path: ['database', 'schema'],
};
const sqlserver: EngineEntry = {
  load: async () => (await import('./sqlserver.ts')).sqlserverEngine,
  path: ['database', 'schema'],
};

const entries: Readonly<Record<string, EngineEntry>> = {
  postgres,
  postgresql: postgres,
  mysql: {
    load: async () => (await import('./mysql.ts')).mysqlEngine,
    path: ['database'],
  },
  mariadb: {
    load: async () => (await import('./mysql.ts')).mariadbEngine,
    path: ['database'],
  },
  sqlserver,
  mssql: sqlserver,
};

/** Rejects with E4014 for a kind of database that it cannot read. */
export async function openEngine(url: string): Promise<Engine> {
  return await entryOf(url).load();
}

/** The names in the webhook's path: `['database', 'schema']`. */
export function webhookPathOf(url: string): readonly string[] {
  return entryOf(url).path;
}

function entryOf(url: string): EngineEntry {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const entry = scheme === undefined ? undefined : entries[scheme];
  if (!entry) {
    throw new ReplicatorError('E4014', {
      detail:
        scheme === undefined
          ? 'the target address has no scheme'
          : `the workload cannot read a target of the kind "${scheme}"`,
      remedy: `use one of ${Object.keys(entries)
        .map((name) => `${name}://`)
        .join(', ')}`,
    });
  }
  return entry;
}
