import { count } from '../../lib/count.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Batch } from '../../mutation/mutation.ts';
import { type Timestamp, wallTimeMs } from '../../mutation/timestamp.ts';
import type { SequencerObserver } from '../../sequencer/sequencer.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { tellSetAside } from './set-aside-rows.ts';
import type { PipelineStatus } from './status.ts';

/** The same failure is logged once in this time; the metrics count them all. */
const repeatLogMs = 10_000;

/** Turns what the sequencer does into metrics, status and log lines. */
export function pipelineObserver(
  schema: SchemaName,
  status: PipelineStatus,
  metrics: Metrics,
  logger: Logger,
  flushSize: number,
): SequencerObserver {
  let loggedLine = '';
  let loggedAtMs = 0;
  let writingToldAtMs = 0;
  let gaveWayAtMs = 0;
  return {
    sweepStarted() {
      metrics.core_sweep_attempt_timestamp_seconds.set(
        { schema },
        Date.now() / 1_000,
      );
    },
    batchCommitted(batch, durationMs) {
      const labels = { schema };
      const nowMs = Date.now();
      status.appliedRowCount += batch.rowCount;
      status.lastLagMs = Math.max(0, nowMs - wallTimeMs(batch.through));
      metrics.core_sweep_apply_count.inc(labels);
      metrics.core_sweep_mutations_applied_total.inc(labels, batch.rowCount);
      metrics.core_sweep_duration_seconds.observe(labels, durationMs / 1_000);
      metrics.core_sweep_success_timestamp_seconds.set(labels, nowMs / 1_000);
      metrics.target_apply_transaction_lag_seconds.observe(
        labels,
        status.lastLagMs / 1_000,
      );
      metrics.target_apply_mutation_age_seconds.observe(
        labels,
        Math.max(0, nowMs - wallTimeMs(oldestTime(batch))) / 1_000,
      );
      metrics.core_flush_count.inc({
        schema,
        reason: batch.rowCount >= flushSize ? 'size' : 'progress',
      });
      metrics.source_commit_to_apply_lag_seconds.set(
        labels,
        status.lastLagMs / 1_000,
      );
    },
    appliedThrough(time) {
      status.applied = time;
    },
    attemptFailed(error, attempt, halted) {
      status.failed(error, halted ? 'halted' : 'retrying');
      const outcome = halted
        ? metrics.retry_aborted_total
        : metrics.retry_retried_total;
      outcome.inc({ code: error.code });
      const nowMs = Date.now();
      if (error.line !== loggedLine || nowMs - loggedAtMs > repeatLogMs) {
        loggedLine = error.line;
        loggedAtMs = nowMs;
        logger[halted ? 'error' : 'warn'](
          {
            code: error.code,
            attempt,
            // What is done, not what the code would allow: a row that could
            // be set aside halts unless --onRowError says otherwise.
            disposition: halted ? 'halt' : 'retry',
            err: error.cause,
          },
          `applying failed: ${error.line}`,
        );
      }
    },
    recovered() {
      status.state = 'running';
      status.lastError = null;
      loggedLine = '';
      logger.info('applying works again');
    },
    gaveWay(error) {
      metrics.replicator_gave_way_total.inc({ schema, code: error.code });
      const nowMs = Date.now();
      if (nowMs - gaveWayAtMs > repeatLogMs) {
        gaveWayAtMs = nowMs;
        logger.info(
          { code: error.code, err: error.cause },
          `a batch met elder ones at the target and runs again behind them: ${error.code} ${error.message}`,
        );
      }
    },
    writing(rowCount) {
      if (performance.now() - writingToldAtMs > repeatLogMs) {
        writingToldAtMs = performance.now();
        logger.info({ rows: rowCount }, 'writing one large transaction');
      }
    },
    setAside(letters) {
      const rows = new Map(status.setAsideRows);
      for (const { table, mutation, code, cause } of letters) {
        metrics.replicator_dead_letters_total.inc({ schema, table });
        rows.set(table, (rows.get(table) ?? 0) + 1);
        logger.warn(
          { table, key: mutation.key, sourceTime: mutation.time, code },
          `a row of ${table} is set aside: ${code} ${cause}`,
        );
      }
      tellSetAside({ schema, status, metrics }, rows);
    },
    leftOut(table, rowCount, error) {
      logger.warn(
        { table, rows: rowCount, code: error.code, err: error.cause },
        `${count(rowCount, 'staged row', 'staged rows')} of ${table} refused again, left out until the sender brings them: ${error.line}`,
      );
    },
    foundSetAside(rows) {
      tellSetAside({ schema, status, metrics }, rows);
    },
    openTransactions(count) {
      status.openTransactionCount = count;
    },
  };
}

function oldestTime(batch: Batch): Timestamp {
  let oldest = batch.through;
  for (const part of batch.tables) {
    // Sorted by time within a table.
    const first = part.encoded?.oldest ?? part.mutations[0]?.time;
    if (first !== undefined && first < oldest) {
      oldest = first;
    }
  }
  return oldest;
}
