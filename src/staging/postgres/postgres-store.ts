/**
 * Staging in PostgreSQL or CockroachDB: of the daemons that share it, or of one
 * (daemon-lock.ts), and of any number of commands beside them.
 *
 * Every change is one statement, and so atomic without a transaction block,
 * whose lost COMMIT answer would be one more thing to explain.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import { timeOfVersion } from '../../mutation/row-version.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  type Timestamp,
  timeBucket,
  zeroTimestamp,
} from '../../mutation/timestamp.ts';
import { groupCommit } from '../group-commit.ts';
import {
  type AppendGuard,
  type NewEntry,
  positionMemo,
  purgedMemo,
  type ReadWindow,
  type RecordedResolved,
  type StagedStep,
  type StagingSize,
  type StagingStore,
} from '../staging.ts';
import { gatesOn } from './append-gate.ts';
import {
  appendStatement,
  appendText,
  appendValues,
  type ResolvedTime,
} from './append-statement.ts';
import {
  type Connections,
  openConnections,
  type StagingPoolOptions,
} from './connections.ts';
import { type Acknowledging, lockStagingSchema } from './daemon-lock.ts';
import { entryIds, parseEntryId } from './entry-id.ts';
import { postgresFailure, sqlState } from './errors.ts';
import { leasesOn } from './leases.ts';
import { logSearch } from './log-search.ts';
import {
  type CheckpointRow,
  type CountRow,
  type EntryRow,
  readCheckpoint,
  readEntry,
  readSummary,
  type SummaryRow,
} from './rows.ts';
import { prepareSchema, type PreparedSchema } from './schema.ts';
import { statementsOn } from './statements.ts';
import { tokensOn } from './tokens.ts';

export interface PostgresStoreOptions {
  readonly stagingConn: string;
  readonly stagingSchema: string;
  readonly createSchema: boolean;
  readonly pool: StagingPoolOptions;
  /** False: neither make, migrate nor lock anything. */
  readonly exclusive: boolean;
  /** See {@link StagingOptions.shared}. */
  readonly shared?: Acknowledging;
}

/** One connection's commit waits for the disk while the next one fills. */
const inFlightGroups = 4;
const groupBytes = 8 << 20;

/** In the place of a position before there is one: a row that can be moved. */
const noPosition = '';

export async function openPostgresStore(
  options: PostgresStoreOptions,
  signal?: AbortSignal,
): Promise<StagingStore> {
  await using opened = new AsyncDisposableStack();
  try {
    const prepared = await prepareSchema(
      {
        stagingConn: options.stagingConn,
        stagingSchema: options.stagingSchema,
        createSchema: options.exclusive && options.createSchema,
        migrate: options.exclusive,
        ...(options.exclusive && {
          lock: async (...place) => {
            const kind = options.shared ?? 'exclusive';
            opened.use(await lockStagingSchema(place, kind, signal));
          },
        }),
      },
      signal,
    );
    const connections = opened.use(
      openConnections(prepared.address, options.pool),
    );
    return storeOn(connections, prepared, opened.move());
  } catch (error) {
    throw postgresFailure(error);
  }
}

type WriteCall =
  | {
      readonly kind: 'append';
      readonly entries: readonly NewEntry[];
      readonly guard: AppendGuard | undefined;
    }
  | ({ readonly kind: 'resolve' } & ResolvedTime)
  | { readonly kind: 'advance'; readonly step: StagedStep };

function entriesOf(call: WriteCall): readonly NewEntry[] {
  switch (call.kind) {
    case 'append':
      return call.entries;
    case 'advance':
      return call.step.entries;
    case 'resolve':
      return [];
  }
}

function resolvedBy(call: WriteCall): ResolvedTime[] {
  switch (call.kind) {
    case 'append':
      return [];
    case 'advance':
      return [{ schema: call.step.schema, time: call.step.resolved }];
    case 'resolve':
      return [call];
  }
}

/** Division by zero: so the statement says that a memo is elsewhere. */
function saysMemoMoved(error: unknown): boolean {
  return sqlState((error as { cause?: unknown }).cause ?? {}) === '22012';
}

/** Of the statement that appends; without a schema where it resolves none. */
type StagedRow = { readonly refused: string | null } & (
  | { readonly schema_name: null }
  | (CheckpointRow & {
      readonly resolved_before: Timestamp;
      readonly resolved_count: string;
    })
);

function storeOn(
  connections: Connections,
  { tables, server }: PreparedSchema,
  resources: AsyncDisposable,
): StagingStore {
  const statements = statementsOn(tables);
  const text = appendText(tables);
  const gatesOf = gatesOn(tables);
  const nextId = entryIds();
  let closed = false;

  const group = groupCommit<WriteCall, RecordedResolved | boolean>({
    commit: commitCalls,
    isShared: (error) =>
      error instanceof ReplicatorError && error.code === 'E2001',
    sizeBytes: (call) =>
      entriesOf(call).reduce((sum, entry) => sum + entry.body.length, 0),
    groupBytes,
    inFlightGroups,
  });

  /** For an append: whether its guard held. */
  async function commitCalls(
    calls: readonly WriteCall[],
  ): Promise<(RecordedResolved | boolean)[]> {
    const appended = calls.map((call) => ({
      entries: entriesOf(call),
      guard: call.kind === 'append' ? call.guard : undefined,
    }));
    const resolved = calls.flatMap(resolvedBy);
    const moves = calls
      .filter((call) => call.kind === 'advance')
      .map(({ step: { schema, position, previous } }) => ({
        name: positionMemo(schema),
        value: position,
        previous: previous ?? noPosition,
      }));
    const gates =
      server === 'cockroachdb'
        ? []
        : gatesOf(
            appended.flatMap(({ guard }) => (guard ? [guard.schema] : [])),
            resolved.map(({ schema }) => schema),
          );
    const values = appendValues(appended, resolved, moves, nextId);
    const rows = await connections.run<StagedRow>(
      appendStatement(text, values, gates),
    );
    const refused = new Set(rows[0]!.refused?.split(',').map(Number));
    const rowBySchema = new Map(
      rows.flatMap((row) =>
        row.schema_name === null ? [] : [[row.schema_name, row]],
      ),
    );
    const latest = new Map<SchemaName, Timestamp>();
    const left = new Map<SchemaName, number>();
    for (const { schema } of resolved) {
      left.set(schema, (left.get(schema) ?? 0) + 1);
    }
    return calls.map((call, place) => {
      if (call.kind === 'append') {
        return !refused.has(place);
      }
      const [{ schema, time }] = resolvedBy(call) as [ResolvedTime];
      const row = rowBySchema.get(schema)!;
      const before = latest.get(schema) ?? row.resolved_before;
      const accepted = time >= before;
      latest.set(schema, accepted ? time : before);
      const behind = left.get(schema)! - 1;
      left.set(schema, behind);
      const messageNumber = Number(row.resolved_count) - behind;
      return { accepted, checkpoint: readCheckpoint(row), messageNumber };
    });
  }

  async function run<Row extends object>(
    statement: string,
    values: readonly unknown[],
    signal: AbortSignal | undefined,
  ): Promise<Row[]> {
    assertOpen();
    return connections.run<Row>({ text: statement, values }, signal);
  }

  async function memoOf(
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<string | null> {
    const rows = await run<{ value: string }>(statements.memo, [name], signal);
    return rows[0]?.value ?? null;
  }

  const search = logSearch(statements, run);

  function assertOpen(): void {
    if (closed) {
      throw new ReplicatorError('E2001', { detail: 'staging is closed' });
    }
  }

  return {
    kind: 'postgres',
    leases: leasesOn(tables, run),
    tokens: tokensOn(tables, run),

    async append(entries, { guard, signal } = {}) {
      assertOpen();
      if (entries.length === 0) {
        return true;
      }
      const call = { kind: 'append', entries, guard } as const;
      return (await group.submit(call, signal)) as boolean;
    },

    async resolve(schema, time, signal) {
      assertOpen();
      const call = { kind: 'resolve', schema, time } as const;
      return (await group.submit(call, signal)) as RecordedResolved;
    },

    async advance(step, signal) {
      assertOpen();
      if (step.previous === null) {
        await run(
          statements.beginMemo,
          [positionMemo(step.schema), noPosition],
          signal,
        );
      }
      try {
        const moved = await group.submit({ kind: 'advance', step }, signal);
        return (moved as RecordedResolved).checkpoint;
      } catch (error) {
        throw saysMemoMoved(error) ? new ReplicatorError('E2010') : error;
      }
    },

    async position(schema, signal) {
      const rows = await run<{ value: string }>(
        statements.memo,
        [positionMemo(schema)],
        signal,
      );
      return rows[0]?.value || null;
    },

    async discardUnresolved(schema, signal) {
      let goneCount = 0;
      for (;;) {
        const [boundary] = await run<Position>(
          statements.discardBoundary,
          [schema],
          signal,
        );
        if (boundary === undefined) {
          return goneCount;
        }
        const [gone] = await run<{ gone: string }>(
          statements.discard,
          [schema, boundary.min_time, boundary.id],
          signal,
        );
        goneCount += Number(gone!.gone);
      }
    },

    async read(schema, window, signal) {
      const [minTime, id] = startOf(window);
      const rows = await run<EntryRow>(
        statements.read,
        [
          schema,
          minTime,
          id,
          window.through,
          window.after,
          window.limitBytes,
          window.limitRows,
        ],
        signal,
      );
      return rows.map(readEntry);
    },

    async checkpoint(schema, signal) {
      const rows = await run<CheckpointRow>(
        statements.checkpoint,
        [schema],
        signal,
      );
      return readCheckpoint(rows[0]);
    },

    async commitApplied(schema, applied, inTarget, signal) {
      await run(statements.commitApplied, [schema, applied, inTarget], signal);
    },

    async rewindApplied(schema, applied, signal) {
      const rows = await run<{ done: boolean }>(
        statements.rewindApplied,
        [schema, applied],
        signal,
      );
      return rows[0]!.done;
    },

    async retire(schema, through, limitEntries, signal) {
      const [boundary] = await run<Position>(
        statements.retireBoundary,
        [schema, through, limitEntries],
        signal,
      );
      const rows = await run<{ gone: string }>(
        statements.retire,
        [schema, through, boundary?.min_time ?? '', boundary?.id ?? ''],
        signal,
      );
      return Number(rows[0]!.gone);
    },

    async schemas(signal) {
      const rows = await run<{ schema_name: SchemaName }>(
        statements.schemas,
        [],
        signal,
      );
      return rows.map((row) => row.schema_name).toSorted();
    },

    async size(schema, signal) {
      return readSize(
        await run<CountRow>(statements.size, [schema ?? null], signal),
      );
    },

    async backlog(schema, after, signal) {
      const { entryCount, rowCount, liveBytes } = readSize(
        await run<CountRow>(
          statements.backlog,
          [schema, timeBucket(after), after],
          signal,
        ),
      );
      return { entryCount, rowCount, byteCount: liveBytes };
    },

    async latest(schema, signal) {
      const [row] = await run<{ time: Timestamp | null }>(
        statements.latest,
        [schema],
        signal,
      );
      return timeOfVersion(row?.time ?? zeroTimestamp);
    },

    async list(filter, limit, cursor, signal) {
      const { text: list, values } = statements.list(filter);
      const from =
        cursor === null
          ? ['', '', '']
          : [cursor.schema, cursor.minTime, parseEntryId(cursor.id)?.stored];
      const rows = await run<SummaryRow>(
        list,
        [...from, limit, ...values],
        signal,
      );
      return rows.map(readSummary);
    },

    async entry(id, signal) {
      const parsed = parseEntryId(id);
      if (parsed === null) {
        return null;
      }
      const schemas = await run<{ schema_name: SchemaName }>(
        statements.schemas,
        [],
        signal,
      );
      const rows = await run<EntryRow>(
        statements.entry,
        [schemas.map((row) => row.schema_name), parsed.minTime, parsed.stored],
        signal,
      );
      return rows[0] === undefined ? null : readEntry(rows[0]);
    },

    async purge(filter, dryRun, signal) {
      if (dryRun) {
        const { text: count, values } = statements.count(filter);
        return readSize(await run<CountRow>(count, values, signal));
      }
      const find = statements.purgeBoundary(filter);
      const step = statements.purge(filter);
      const { schema } = filter;
      const forgets =
        schema !== undefined &&
        filter.table === undefined &&
        filter.through === undefined;
      if (forgets) {
        await run(
          statements.raiseMemoToCheckpoint,
          [purgedMemo(schema), schema],
          signal,
        );
      }
      const purged = { liveBytes: 0, entryCount: 0, rowCount: 0 };
      for (;;) {
        const [last] = await run<Position>(find.text, find.values, signal);
        if (last === undefined) {
          break;
        }
        const boundary = [last.schema_name, last.min_time, last.id];
        const rows = await run<CountRow & { last_time: Timestamp | null }>(
          step.text,
          [...boundary, ...step.values],
          signal,
        );
        const lastTime = rows[0]!.last_time;
        if (schema !== undefined && lastTime !== null) {
          const name = purgedMemo(schema);
          await run(statements.raiseMemo, [name, lastTime], signal);
        }
        const gone = readSize(rows);
        purged.liveBytes += gone.liveBytes;
        purged.entryCount += gone.entryCount;
        purged.rowCount += gone.rowCount;
      }
      if (forgets) {
        await run(statements.forget, [schema], signal);
        await run(statements.forgetMemo, [positionMemo(schema)], signal);
      }
      return purged;
    },

    memo: memoOf,

    async setMemo(name, value, signal) {
      await run(statements.setMemo, [name, value], signal);
    },

    async exchangeMemo(name, expected, value, signal) {
      await (expected === null
        ? run(statements.beginMemo, [name, value], signal)
        : run(statements.moveMemo, [name, expected, value], signal));
      return await memoOf(name, signal);
    },

    holds: (row, signal) => search(row, signal),

    async ping(signal) {
      await run(statements.ping, [], signal);
    },

    async [Symbol.asyncDispose]() {
      if (!closed) {
        closed = true;
        await group.idle();
        await resources[Symbol.asyncDispose]();
      }
    },
  };
}

/** In the order of the primary key. */
interface Position {
  readonly schema_name: SchemaName;
  readonly min_time: Timestamp;
  readonly id: string;
}

function readSize(rows: readonly CountRow[]): StagingSize {
  const row = rows[0]!;
  return {
    liveBytes: Number(row.byte_total),
    entryCount: Number(row.entries),
    rowCount: Number(row.row_total),
  };
}

/** The position behind which the page starts: the cursor, if it is later. */
function startOf(window: ReadWindow): [minTime: string, id: string] {
  const bucket = timeBucket(window.after);
  const { cursor } = window;
  return cursor === null || cursor.minTime < bucket
    ? [bucket, '']
    : [cursor.minTime, parseEntryId(cursor.id)?.stored ?? ''];
}
