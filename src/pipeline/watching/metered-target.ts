import { asReplicatorError } from '../../failure/failure.ts';
import type {
  TableShape,
  Target,
  TargetTransaction,
} from '../../target/target.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** A target that counts and times what it is asked to do, table by table. */
export function meteredTarget(target: Target, metrics: Metrics): Target {
  return {
    engine: target.engine,
    schemaNameParts: target.schemaNameParts,
    examplePath: target.examplePath,
    version: (signal) => target.version(signal),
    introspect: (schema, signal) => target.introspect(schema, signal),
    begin: async (signal) => {
      metrics.retry_actions_total.inc();
      return meteredTransaction(await target.begin(signal), metrics);
    },
    claimCheckpoint: (schema, stagingId, epoch, signal) =>
      target.claimCheckpoint(schema, stagingId, epoch, signal),
    checkpoint: (schema, signal) => target.checkpoint(schema, signal),
    deadLetters: (schema, tableName) => target.deadLetters(schema, tableName),
    ping: (signal) => target.ping(signal),
    ...(target.endSessionsOf && {
      endSessionsOf: (sessionName, signal) =>
        target.endSessionsOf!(sessionName, signal),
    }),
    takesNul: (table, column) => target.takesNul(table, column),
    poolCounts: () => target.poolCounts(),
    statementCounts: () => target.statementCounts(),
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}

function meteredTransaction(
  transaction: TargetTransaction,
  metrics: Metrics,
): TargetTransaction {
  const timed = async (
    table: TableShape,
    rowCount: number,
    work: () => Promise<void>,
  ): Promise<void> => {
    const labels = { schema: table.schema, table: table.name };
    const startedAtMs = performance.now();
    try {
      await work();
    } catch (error) {
      metrics.apply_errors_total.inc(
        { ...labels, code: asReplicatorError(error).code },
        rowCount,
      );
      throw error;
    } finally {
      metrics.apply_duration_seconds.observe(
        labels,
        (performance.now() - startedAtMs) / 1_000,
      );
    }
  };
  return {
    upsert: async (rows) => {
      const { table, rowCount } = rows;
      await timed(table, rowCount, () => transaction.upsert(rows));
      metrics.apply_upserts_total.inc(
        { schema: table.schema, table: table.name },
        rowCount,
      );
    },
    delete: async (keys) => {
      const { table, rowCount } = keys;
      await timed(table, rowCount, () => transaction.delete(keys));
      metrics.apply_deletes_total.inc(
        { schema: table.schema, table: table.name },
        rowCount,
      );
    },
    ...(transaction.deleteUnreferred && {
      // How many of them go, nobody asks.
      deleteUnreferred: (keys, references) =>
        timed(keys.table, keys.rowCount, () =>
          transaction.deleteUnreferred!(keys, references),
        ),
    }),
    update: (rows) =>
      timed(rows.table, rows.rowCount, () => transaction.update(rows)),
    parking: transaction.parking,
    vacateUniqueKeys: (keys) => transaction.vacateUniqueKeys(keys),
    moveKeys: (moves) =>
      timed(moves.table, moves.rowCount, () => transaction.moveKeys(moves)),
    insert: async (rows) => {
      const { table, rowCount } = rows;
      await timed(table, rowCount, () => transaction.insert(rows));
      metrics.apply_upserts_total.inc(
        { schema: table.schema, table: table.name },
        rowCount,
      );
    },
    deleteEqual: async (rows) => {
      const { table, rowCount } = rows;
      await timed(table, rowCount, () => transaction.deleteEqual(rows));
      metrics.apply_deletes_total.inc(
        { schema: table.schema, table: table.name },
        rowCount,
      );
    },
    // How many rows go, nobody asks; the time goes to the first table.
    truncate: (tables, restartIdentity) =>
      timed(tables[0]!, tables.length, () =>
        transaction.truncate(tables, restartIdentity),
      ),
    deadLetters: (schema, tableName) =>
      transaction.deadLetters(schema, tableName),
    checkConstraints: () => transaction.checkConstraints(),
    keepAlive: () => transaction.keepAlive(),
    commit: (mark) => transaction.commit(mark),
    ...(transaction.follow && {
      follow() {
        const follower = transaction.follow!();
        return follower && meteredTransaction(follower, metrics);
      },
    }),
    waitsForLock: () => transaction.waitsForLock(),
    [Symbol.asyncDispose]: () => transaction[Symbol.asyncDispose](),
  };
}
