/** `--valuePolicy` at work: what it says of a column, and who hears of it. */
import {
  matchesPath,
  type ValuePolicyRule,
} from '../../config/value-policy-rules.ts';
import { schemaNameParts } from '../../mutation/schema-name.ts';
import type { ColumnShape, TableShape } from '../../target/target.ts';
import type {
  ReplacedValue,
  ValuePolicies,
  ValuePolicy,
} from '../../target/value-policy.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Of one column a line is logged once in this time; the metric counts all. */
const logPeriodMs = 60_000;

export interface ValuePoliciesOptions {
  readonly metrics: Metrics;
  /** The only place that shows the key of a row. */
  readonly logger: Logger;
  /** A clock that only goes forwards. */
  readonly nowMs?: () => number;
}

/** What the rules of `--valuePolicy` ask for; values that are replaced are counted and logged. */
export function valuePolicies(
  rules: readonly ValuePolicyRule[],
  { metrics, logger, nowMs = () => performance.now() }: ValuePoliciesOptions,
): ValuePolicies {
  const byColumn = new WeakMap<ColumnShape, ValuePolicy>();
  const logged = new Map<string, { atMs: number; unloggedCount: number }>();
  return {
    policyOf(table, column) {
      let policy = byColumn.get(column);
      if (policy === undefined) {
        policy = policyOf(rules, table, column);
        byColumn.set(column, policy);
      }
      return policy;
    },
    onReplaced(value) {
      const { table, column, policy } = value;
      const place = {
        schema: table.schema,
        table: table.name,
        column: column.name,
      };
      metrics.replicator_values_replaced_total.inc({ ...place, policy });
      const name = JSON.stringify(Object.values(place));
      const last = logged.get(name);
      if (last && nowMs() - last.atMs < logPeriodMs) {
        last.unloggedCount += 1;
        return;
      }
      logged.set(name, { atMs: nowMs(), unloggedCount: 0 });
      logger.warn(
        { ...place, key: value.key, policy },
        replacedLine(value, last?.unloggedCount ?? 0),
      );
    },
  };
}

function policyOf(
  rules: readonly ValuePolicyRule[],
  table: TableShape,
  column: ColumnShape,
): ValuePolicy {
  const names = [...schemaNameParts(table.schema), table.name, column.name];
  return (
    rules.findLast(({ path }) => matchesPath(path, names))?.policy ?? 'error'
  );
}

function replacedLine(
  { policy, reason }: ReplacedValue,
  unloggedCount: number,
): string {
  const instead =
    policy === 'null' ? 'null' : 'the nearest value that the column can hold';
  const others =
    unloggedCount > 0
      ? `; ${unloggedCount} more of this column since the last such line`
      : '';
  return `a value ${reason}: by --valuePolicy ${instead} was written${others}`;
}
