import type { SchemaName } from '../../mutation/schema-name.ts';
import type { LogicalSourceObserver } from '../../source/logical/logical-source.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** The same wait is logged once in this time. */
const repeatLogMs = 60_000;

/** Turns what the slot brings into metrics and log lines. */
export function slotObserver(
  metrics: Metrics,
  schema: SchemaName,
  logger: Logger,
): LogicalSourceObserver {
  const labels = { kind: 'pglogical', target: schema };
  let loggedAtMs = -Infinity;
  return {
    dialled(succeeded) {
      if (succeeded) {
        metrics.pglogical_dial_success_total.inc();
      } else {
        metrics.pglogical_dial_failure_total.inc();
      }
    },
    transactions({ transactions, rows, empty }) {
      metrics.replicator_slot_transactions_total.inc(transactions);
      metrics.pglogical_empty_transactions.inc(empty);
      for (const type of ['received', 'success']) {
        metrics.acceptor_mutations_total.inc({ ...labels, type }, rows);
      }
    },
    unchangedToast(valueCount) {
      metrics.pglogical_unchanged_toasted_columns.inc(valueCount);
    },
    leftOut(changeCount) {
      metrics.replicator_slot_left_out_total.inc(changeCount);
    },
    staged() {},
    waitingForStaging(error) {
      if (performance.now() - loggedAtMs > repeatLogMs) {
        loggedAtMs = performance.now();
        logger.warn(
          { code: error.code },
          `the slot is not read for now: ${error.line}`,
        );
      }
    },
  };
}
