/**
 * The embedded staging store: one SQLite file under the data directory.
 *
 * WAL with synchronous=FULL: a commit is one fsync of the log file, and
 * `staging list|peek|purge` may read and delete beside a running daemon.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  type Timestamp,
  timeBucket,
  zeroTimestamp,
} from '../../mutation/timestamp.ts';
import { groupCommit } from '../group-commit.ts';
import type {
  Checkpoint,
  EntryFilter,
  EntrySummary,
  ReadWindow,
  StagedEntry,
  StagingSize,
  StagingStore,
} from '../staging.ts';
import { lockDataDir, prepareDataDir, prepareFile } from './data-dir.ts';
import { sqliteFailure, sqliteResult, sqliteResultCode } from './errors.ts';
import {
  checkpointColumns,
  entryColumns,
  filterSql,
  readCheckpoint,
  readEntry,
  readSummary,
  summaryColumns,
} from './rows.ts';
import {
  migrate,
  refuseNewer,
  schemaVersion,
  sqliteMigrations,
} from './schema.ts';
import { openTotals } from './totals.ts';

export interface SqliteStoreOptions {
  readonly dataDir: string;
  /**
   * True for a daemon: makes and migrates the file and keeps every other
   * daemon out (E2005). False for commands that look in beside it: the file
   * must be there and of this version.
   */
  readonly exclusive: boolean;
}

/** Memory a group may take; far above what waits in one turn of the loop. */
const groupBytes = 16 << 20;
/** A purge holds the write lock, which a daemon waits for, for one step. */
const purgeStepEntries = 500;
/** How long a writer waits for the lock of a purge in another process. */
const lockTimeoutMs = 10_000;
/**
 * Pages of the log file (4 KiB each) before they are carried over into the
 * database: long enough to be rare, short enough to pass unnoticed.
 */
const walPages = 4096;

export function openSqliteStore(options: SqliteStoreOptions): StagingStore {
  const directory = resolve(options.dataDir);
  const path = join(directory, 'staging.db');
  using cleanup = new DisposableStack();
  if (options.exclusive) {
    prepareDataDir(directory);
    cleanup.use(lockDataDir(directory));
    prepareFile(path);
  } else if (!existsSync(path)) {
    throw new ReplicatorError('E2004', {
      detail: `there is no staging store at ${path}`,
      remedy: 'check --dataDir; replicator start makes the store',
    });
  }
  try {
    const database = new DatabaseSync(path, { timeout: lockTimeoutMs });
    cleanup.defer(() => database.close());
    refuseNewer(schemaVersion(database), sqliteMigrations.length);
    if (options.exclusive) {
      database.exec('pragma journal_mode = wal');
    }
    database.exec(
      `pragma synchronous = full; pragma wal_autocheckpoint = ${walPages}; pragma journal_size_limit = ${walPages * 4096 * 2}`,
    );
    if (options.exclusive) {
      migrate(database);
    } else if (schemaVersion(database) !== sqliteMigrations.length) {
      throw new ReplicatorError('E2004', {
        detail: `${path} is of an older version`,
        remedy: 'run replicator start once: it brings the store up to date',
      });
    }
    return storeOn(database, path, cleanup.move());
  } catch (error) {
    throw sqliteFailure(error, path);
  }
}

interface WriteCall {
  readonly sizeBytes: number;
  /** Runs inside the group's transaction. */
  readonly run: () => unknown;
}

function storeOn(
  database: DatabaseSync,
  path: string,
  resources: DisposableStack,
): StagingStore {
  const totals = openTotals(database);
  const insertEntry = database.prepare(
    `insert into log (schema_name, table_name, min_time, max_time, row_count, byte_count, body)
     values (?, ?, ?, ?, ?, ?, ?)`,
  );
  const selectCheckpoint = database.prepare(
    `select ${checkpointColumns} from checkpoint where schema_name = ?`,
  );
  const upsertCheckpoint = database.prepare(
    `insert or replace into checkpoint (schema_name, ${checkpointColumns})
     values (?, ?, ?, ?, ?)`,
  );
  const selectWindow = database.prepare(
    `select ${entryColumns} from log
     where schema_name = ? and (min_time, id) > (?, ?) and min_time <= ? and max_time > ?
     order by min_time, id`,
  );
  const selectBacklog = database.prepare(
    `select count(*) as entries, coalesce(sum(row_count), 0) as row_count,
       coalesce(sum(byte_count), 0) as bytes
     from log where schema_name = ? and min_time >= ? and max_time > ?`,
  );
  const deleteThrough = database.prepare(
    `delete from log where id in (
       select id from log where schema_name = ? and min_time <= ? and max_time <= ?
       order by min_time, id limit ?)
     returning schema_name, row_count, byte_count`,
  );
  const selectMemo = database.prepare('select value from memo where name = ?');
  const upsertMemo = database.prepare(
    'insert or replace into memo (name, value) values (?, ?)',
  );
  const begin = database.prepare('begin immediate');
  const commit = database.prepare('commit');
  const rollback = database.prepare('rollback');
  const selectVersion = database.prepare('select version from schema_version');

  let closed = false;

  const group = groupCommit<WriteCall, unknown>({
    commit: (calls) => transaction(() => calls.map((call) => call.run())),
    isShared: (error) => sqliteResultCode(error) === sqliteResult.ioError,
    sizeBytes: (call) => call.sizeBytes,
    groupBytes,
    // The database is called on this thread: a second group could not start.
    inFlightGroups: 1,
  });

  function transaction<T>(run: () => T): T {
    begin.run();
    try {
      const result = run();
      commit.run();
      totals.keep();
      return result;
    } catch (error) {
      totals.drop();
      // SQLite has rolled back by itself after some failures, not after all.
      if (database.isTransaction) {
        rollback.run();
      }
      throw error;
    }
  }

  function assertOpen(): void {
    if (closed) {
      throw new ReplicatorError('E2001', { detail: 'staging is closed' });
    }
  }

  /** Anything that is one step and needs no company. */
  async function now<T>(
    signal: AbortSignal | undefined,
    run: () => T,
  ): Promise<T> {
    signal?.throwIfAborted();
    assertOpen();
    try {
      return run();
    } catch (error) {
      throw sqliteFailure(error, path);
    }
  }

  /** Joins the commit of whatever else is waiting. */
  async function together<T>(
    signal: AbortSignal | undefined,
    sizeBytes: number,
    run: () => T,
  ): Promise<T> {
    assertOpen();
    try {
      return (await group.submit({ sizeBytes, run }, signal)) as T;
    } catch (error) {
      throw sqliteFailure(error, path);
    }
  }

  function checkpointOf(schema: SchemaName): Checkpoint {
    return readCheckpoint(selectCheckpoint.get(schema));
  }

  function saveCheckpoint(
    schema: SchemaName,
    checkpoint: Checkpoint,
  ): Checkpoint {
    const { resolved, applied, appliedInTarget, retired } = checkpoint;
    upsertCheckpoint.run(schema, resolved, applied, appliedInTarget, retired);
    return checkpoint;
  }

  /** One step of a purge; returns how many entries went. */
  function purgeStep(filter: EntryFilter, purged: Counts): number {
    const { where, values } = filterSql(filter);
    const rows = database
      .prepare(
        `delete from log where id in (select id from log where ${where} limit ${purgeStepEntries})
         returning schema_name, max_time, row_count, byte_count`,
      )
      .all(...values);
    const latest = new Map<SchemaName, Timestamp>();
    for (const row of rows) {
      const schema = row['schema_name'] as SchemaName;
      const rowCount = Number(row['row_count']);
      const byteCount = Number(row['byte_count']);
      totals.add(schema, -1, -rowCount, -byteCount);
      purged.entryCount++;
      purged.rowCount += rowCount;
      purged.byteCount += byteCount;
      latest.set(
        schema,
        later(row['max_time'] as Timestamp, latest.get(schema)),
      );
    }
    for (const [schema, time] of latest) {
      const checkpoint = checkpointOf(schema);
      saveCheckpoint(schema, {
        ...checkpoint,
        retired: later(
          checkpoint.retired,
          time < checkpoint.applied ? time : checkpoint.applied,
        ),
      });
    }
    return rows.length;
  }

  return {
    kind: 'sqlite',

    async append(entries, signal) {
      let sizeBytes = 0;
      for (const entry of entries) {
        sizeBytes += entry.body.length;
      }
      await together(signal, sizeBytes, () => {
        for (const entry of entries) {
          const { schema, table, minTime, maxTime, rowCount, body } = entry;
          insertEntry.run(
            schema,
            table,
            minTime,
            maxTime,
            rowCount,
            body.length,
            body,
          );
          totals.add(schema, 1, rowCount, body.length);
        }
      });
    },

    resolve: (schema, time, signal) =>
      together(signal, 0, () => {
        const checkpoint = checkpointOf(schema);
        if (time < checkpoint.resolved) {
          return { accepted: false, checkpoint };
        }
        return {
          accepted: true,
          checkpoint: saveCheckpoint(schema, { ...checkpoint, resolved: time }),
        };
      }),

    read: (schema, window, signal) =>
      now(signal, () => {
        const [minTime, id] = startOf(window);
        const page: StagedEntry[] = [];
        let bytes = 0;
        let rows = 0;
        for (const row of selectWindow.iterate(
          schema,
          minTime,
          id,
          window.through,
          window.after,
        )) {
          const entry = readEntry(row);
          bytes += entry.byteCount;
          rows += entry.rowCount;
          if (
            page.length > 0 &&
            (bytes > window.limitBytes || rows > window.limitRows)
          ) {
            break;
          }
          page.push(entry);
        }
        return page;
      }),

    checkpoint: (schema, signal) => now(signal, () => checkpointOf(schema)),

    commitApplied: (schema, applied, inTarget, signal) =>
      together(signal, 0, () => {
        const checkpoint = checkpointOf(schema);
        saveCheckpoint(schema, {
          ...checkpoint,
          applied: later(checkpoint.applied, applied),
          appliedInTarget: inTarget
            ? later(checkpoint.appliedInTarget, applied)
            : checkpoint.appliedInTarget,
        });
      }),

    rewindApplied: (schema, applied, signal) =>
      together(signal, 0, () => {
        const checkpoint = checkpointOf(schema);
        saveCheckpoint(schema, {
          ...checkpoint,
          applied: earlier(checkpoint.applied, applied),
          appliedInTarget: earlier(checkpoint.appliedInTarget, applied),
        });
      }),

    retire: (schema, through, limitEntries, signal) =>
      now(signal, () =>
        transaction(() => {
          const rows = deleteThrough.all(
            schema,
            through,
            through,
            limitEntries,
          );
          for (const row of rows) {
            totals.add(
              schema,
              -1,
              -Number(row['row_count']),
              -Number(row['byte_count']),
            );
          }
          const checkpoint = checkpointOf(schema);
          if (checkpoint.retired < through) {
            saveCheckpoint(schema, { ...checkpoint, retired: through });
          }
          return rows.length;
        }),
      ),

    schemas: (signal) =>
      now(signal, () => {
        const names = database
          .prepare('select schema_name from checkpoint')
          .all()
          .map((row) => row['schema_name'] as SchemaName);
        return [...new Set([...names, ...totals.schemas()])].toSorted();
      }),

    size: (schema, signal) =>
      now(signal, () => {
        const counts = totals.of(schema);
        return {
          liveBytes:
            schema === undefined ? totals.liveBytes() : counts.byteCount,
          entryCount: counts.entryCount,
          rowCount: counts.rowCount,
        };
      }),

    backlog: (schema, after, signal) =>
      now(signal, () => {
        const row = selectBacklog.get(schema, timeBucket(after), after)!;
        return {
          entryCount: Number(row['entries']),
          rowCount: Number(row['row_count']),
          byteCount: Number(row['bytes']),
        };
      }),

    list: (filter, limit, cursor, signal) =>
      now(signal, (): EntrySummary[] => {
        const { where, values } = filterSql(filter);
        const from: (string | number)[] =
          cursor === null
            ? ['', '', 0]
            : [cursor.schema, cursor.minTime, Number(cursor.id)];
        return database
          .prepare(
            `select ${summaryColumns} from log
             where (schema_name, min_time, id) > (?, ?, ?) and ${where}
             order by schema_name, min_time, id limit ?`,
          )
          .all(...from, ...values, limit)
          .map(readSummary);
      }),

    entry: (id, signal) =>
      now(signal, () => {
        const row = /^\d{1,15}$/.test(id)
          ? database
              .prepare(`select ${entryColumns} from log where id = ?`)
              .get(Number(id))
          : undefined;
        return row === undefined ? null : readEntry(row);
      }),

    purge: (filter, dryRun, signal) =>
      now(signal, (): StagingSize => {
        const purged: Counts = { entryCount: 0, rowCount: 0, byteCount: 0 };
        if (dryRun) {
          const { where, values } = filterSql(filter);
          const row = database
            .prepare(
              `select count(*) as entries, coalesce(sum(row_count), 0) as row_count,
                 coalesce(sum(byte_count), 0) as bytes from log where ${where}`,
            )
            .get(...values)!;
          purged.entryCount = Number(row['entries']);
          purged.rowCount = Number(row['row_count']);
          purged.byteCount = Number(row['bytes']);
        } else {
          while (transaction(() => purgeStep(filter, purged)) > 0) {
            signal?.throwIfAborted();
          }
          if (isWholeSchema(filter)) {
            database
              .prepare('delete from checkpoint where schema_name = ?')
              .run(filter.schema!);
          }
        }
        return {
          liveBytes: purged.byteCount,
          entryCount: purged.entryCount,
          rowCount: purged.rowCount,
        };
      }),

    memo: (name, signal) =>
      now(
        signal,
        () => (selectMemo.get(name)?.['value'] as string | undefined) ?? null,
      ),

    setMemo: (name, value, signal) =>
      together(signal, value.length, () => {
        upsertMemo.run(name, value);
      }),

    ping: (signal) =>
      now(signal, () => {
        selectVersion.get();
      }),

    async [Symbol.asyncDispose]() {
      if (!closed) {
        closed = true;
        await group.idle();
        resources.dispose();
      }
    },
  };
}

interface Counts {
  entryCount: number;
  rowCount: number;
  byteCount: number;
}

function later(a: Timestamp, b: Timestamp = zeroTimestamp): Timestamp {
  return a < b ? b : a;
}

function earlier(a: Timestamp, b: Timestamp): Timestamp {
  return a < b ? a : b;
}

/** The position behind which the page starts: the cursor, if it is later. */
function startOf(window: ReadWindow): [string, number] {
  const bucket = timeBucket(window.after);
  const { cursor } = window;
  return cursor === null || cursor.minTime < bucket
    ? [bucket, 0]
    : [cursor.minTime, Number(cursor.id)];
}

function isWholeSchema(filter: EntryFilter): boolean {
  return (
    filter.schema !== undefined &&
    filter.table === undefined &&
    filter.through === undefined
  );
}
