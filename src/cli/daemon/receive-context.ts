import type { StartValues } from '../../config/options.ts';
import type { ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { wallTimeMs } from '../../mutation/timestamp.ts';
import type { Pipelines } from '../../pipeline/pipelines.ts';
import type { DecodedRows } from '../../source/changefeed/decode/decode-context.ts';
import type { ReceiveContext } from '../../source/changefeed/receive.ts';
import type { Target } from '../../target/target.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** The same refusal is logged once in this time; the metrics count them all. */
const repeatLogMs = 10_000;
/** Nor more than so many others: a sender can make each one differ. */
const maxLogsPerPeriod = 100;

/** Joins the webhook source with the pipelines, the metrics and the log. */
export function receiveContext(
  values: StartValues,
  {
    pipelines,
    target,
    metrics,
    logger,
  }: {
    readonly pipelines: Pipelines;
    readonly target: Target;
    readonly metrics: Metrics;
    readonly logger: Logger;
  },
): ReceiveContext {
  const logged = new Set<string>();
  let periodBeganAtMs = 0;
  return {
    feeds: pipelines,
    onUnknown: values.onUnknown,
    takesNul: (table, column) => target.takesNul(table, column),
    limits: {
      maxBodyBytes: values.maxBodyBytes,
      maxInflatedBytes: values.maxInflatedBytes,
      maxJsonDepth: values.maxJsonDepth,
      maxLineBytes: values.ndjsonBufferSize,
      maxRows: values.maxRowsPerRequest,
    },
    received(feed, decoded) {
      pipelines.posted(feed.schema);
      if (decoded.kind === 'resolved') {
        metrics.core_source_lag_seconds.observe(
          { schema: feed.schema },
          Math.max(0, Date.now() - wallTimeMs(decoded.time)) / 1_000,
        );
      } else if (decoded.kind === 'rows') {
        countRows(metrics, feed.schema, decoded);
      }
    },
    refused(failure: ReplicatorError) {
      const nowMs = Date.now();
      if (nowMs - periodBeganAtMs >= repeatLogMs) {
        periodBeganAtMs = nowMs;
        logged.clear();
      }
      if (logged.has(failure.line) || logged.size >= maxLogsPerPeriod) {
        return;
      }
      logged.add(failure.line);
      logger.warn(
        { code: failure.code, status: failure.httpStatus },
        `request refused: ${failure.line}`,
      );
    },
  };
}

function countRows(
  metrics: Metrics,
  schema: SchemaName,
  decoded: DecodedRows,
): void {
  let deleteCount = 0;
  for (const { mutations } of decoded.tables) {
    for (const { after } of mutations) {
      deleteCount += after === null ? 1 : 0;
    }
  }
  const upsertCount = decoded.rowCount - deleteCount;
  metrics.acceptor_mutations_total.inc(
    { kind: 'cdc', target: schema, type: 'received' },
    decoded.rowCount,
  );
  metrics.mutation_total.inc({ source: 'cdc', type: 'upsert' }, upsertCount);
  metrics.mutation_total.inc({ source: 'cdc', type: 'delete' }, deleteCount);
  for (const [what, count] of [
    ['row', decoded.ignoredRowCount],
    ['column', decoded.ignoredColumnCount],
  ] as const) {
    if (count > 0) {
      metrics.replicator_unknown_dropped_total.inc({ schema, what }, count);
    }
  }
}
