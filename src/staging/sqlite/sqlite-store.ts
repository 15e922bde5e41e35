/**
 * The embedded staging store: one SQLite file under the data directory.
 *
 * WAL: a commit is one fsync of the log file (log-file.ts), and
 * `staging list|peek|purge` may read and delete beside a running daemon.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ReplicatorError } from '../../failure/failure.ts';
import { timeOfVersion } from '../../mutation/row-version.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  type Timestamp,
  timeBucket,
  zeroTimestamp,
} from '../../mutation/timestamp.ts';
import {
  type Checkpoint,
  type EntrySummary,
  type NewEntry,
  positionMemo,
  type ReadWindow,
  type StagedEntry,
  type StagingSize,
  type StagingStore,
} from '../staging.ts';
import {
  type OpenDatabase,
  openDatabase,
  type SqliteStoreOptions,
} from './database.ts';
import { openLogSearch } from './log-search.ts';
import {
  countEntries,
  discardStep,
  forgetSchema,
  notePurge,
  purgeStep,
} from './purge.ts';
import {
  checkpointColumns,
  entryColumns,
  filterSql,
  readCheckpoint,
  readEntry,
  readSummary,
  summaryColumns,
} from './rows.ts';
import { tokensOf } from './tokens.ts';
import { openTotals, type SchemaTotals } from './totals.ts';
import { openTurns } from './turns.ts';

/** Between two steps of a purge, so that a waiting daemon gets its turn. */
const purgePauseMs = 10;

/** Throws E2003, E2004, E2005, E2006, E2007 or E5009. */
export function openSqliteStore(options: SqliteStoreOptions): StagingStore {
  return storeOn(openDatabase(options));
}

function storeOn(opened: OpenDatabase): StagingStore {
  const { database, resources } = opened;
  const totals = openTotals(database);
  const turns = openTurns(opened, totals);
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
  const rewind = database.prepare(
    `update checkpoint set applied = min(applied, ?),
       applied_in_target = min(applied_in_target, ?) where schema_name = ?`,
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
  const selectLatest = database.prepare(
    `select max(max_time) as time from log where schema_name = ? and min_time >= (
       select substr(min_time, 1, 10) from log
       where schema_name = ? order by min_time desc limit 1)`,
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
  const selectVersion = database.prepare('select version from schema_version');

  const search = openLogSearch(database);

  const { now, together, transaction } = turns;

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

  function insertAll(entries: readonly NewEntry[]): void {
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
  }

  function memoOf(name: string): string | null {
    return (selectMemo.get(name)?.['value'] as string | undefined) ?? null;
  }

  return {
    kind: 'sqlite',
    leases: null,
    tokens: tokensOf(database, turns),

    append: (entries, { guard, signal, onWritten } = {}) =>
      together(
        signal,
        bytesOf(entries),
        () => {
          const isLate =
            guard !== undefined &&
            entries.length > 0 &&
            checkpointOf(guard.schema).resolved >= guard.above;
          if (!isLate) {
            insertAll(entries);
          }
          return !isLate;
        },
        (isAppended) => {
          if (isAppended) {
            onWritten?.();
          }
        },
      ),

    advance: ({ schema, entries, resolved, position, previous }, signal) =>
      together(signal, bytesOf(entries), () => {
        const name = positionMemo(schema);
        if (memoOf(name) !== previous) {
          throw new ReplicatorError('E2010');
        }
        insertAll(entries);
        upsertMemo.run(name, position);
        const checkpoint = checkpointOf(schema);
        return saveCheckpoint(schema, {
          ...checkpoint,
          resolved: later(checkpoint.resolved, resolved),
        });
      }),

    position: (schema, signal) =>
      now(signal, () => memoOf(positionMemo(schema))),

    async discardUnresolved(schema, signal) {
      let goneCount = 0;
      for (;;) {
        const stepCount = await now(signal, () =>
          transaction(() =>
            discardStep(
              database,
              schema,
              checkpointOf(schema).resolved,
              totals,
            ),
          ),
        );
        goneCount += stepCount;
        if (stepCount === 0) {
          return goneCount;
        }
        await pause(purgePauseMs);
      }
    },

    resolve: (schema, time, signal) =>
      together(signal, 0, () => {
        const checkpoint = checkpointOf(schema);
        if (time < checkpoint.resolved) {
          return { accepted: false, checkpoint, messageNumber: null };
        }
        return {
          accepted: true,
          checkpoint: saveCheckpoint(schema, { ...checkpoint, resolved: time }),
          messageNumber: null,
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
        if (checkpointOf(schema).retired > applied) {
          return false;
        }
        rewind.run(applied, applied, schema);
        return true;
      }),

    retire: (schema, through, limitEntries, signal) =>
      now(signal, () =>
        transaction(() => {
          const checkpoint = checkpointOf(schema);
          const bound = earlier(through, checkpoint.applied);
          const rows = deleteThrough.all(schema, bound, bound, limitEntries);
          for (const row of rows) {
            totals.add(
              schema,
              -1,
              -Number(row['row_count']),
              -Number(row['byte_count']),
            );
          }
          if (checkpoint.retired < bound) {
            saveCheckpoint(schema, { ...checkpoint, retired: bound });
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
        const size = sizeOf(totals.of(schema));
        return schema === undefined
          ? { ...size, liveBytes: totals.liveBytes() }
          : size;
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

    latest: (schema, signal) =>
      now(signal, () => {
        const time = selectLatest.get(schema, schema)?.['time'];
        return timeOfVersion((time as Timestamp | null) ?? zeroTimestamp);
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

    async purge(filter, dryRun, signal) {
      if (dryRun) {
        const counted = await now(signal, () => countEntries(database, filter));
        return sizeOf(counted);
      }
      const purged = { liveBytes: 0, entryCount: 0, rowCount: 0 };
      await together(signal, 0, () => notePurge(database, filter));
      for (;;) {
        const gone = await now(signal, () =>
          transaction(() => purgeStep(database, filter, totals)),
        );
        if (gone.entryCount === 0) {
          break;
        }
        purged.liveBytes += gone.byteCount;
        purged.entryCount += gone.entryCount;
        purged.rowCount += gone.rowCount;
        await pause(purgePauseMs);
      }
      await together(signal, 0, () => forgetSchema(database, filter));
      return purged;
    },

    memo: (name, signal) => now(signal, () => memoOf(name)),

    setMemo: (name, value, signal) =>
      together(signal, value.length, () => {
        upsertMemo.run(name, value);
      }),

    exchangeMemo: (name, expected, value, signal) =>
      together(signal, value.length, () => {
        const there = memoOf(name);
        if (there !== expected) {
          return there;
        }
        upsertMemo.run(name, value);
        return value;
      }),

    holds: (row, signal) => now(signal, () => search(row)),

    ping: (signal) =>
      now(signal, () => {
        selectVersion.get();
      }),

    async [Symbol.asyncDispose]() {
      await turns.close();
      if (!resources.disposed) {
        resources.dispose();
      }
    },
  };
}

function bytesOf(entries: readonly NewEntry[]): number {
  return entries.reduce((sum, { body }) => sum + body.length, 0);
}

function sizeOf(totals: SchemaTotals): StagingSize {
  const { byteCount, entryCount, rowCount } = totals;
  return { liveBytes: byteCount, entryCount, rowCount };
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
