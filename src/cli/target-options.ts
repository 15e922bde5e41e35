import type { TargetValues } from '../config/options.ts';
import { parseValuePolicyRules } from '../config/value-policy-rules.ts';
import { valuePolicies } from '../pipeline/watching/replaced-values.ts';
import type { OpenTargetOptions } from '../target/open-target.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** The target as the options describe it; values that are replaced are counted and logged. */
export function targetOptionsOf(
  values: Omit<TargetValues, 'onRowError' | 'dlqLimit' | 'schemaRefresh'>,
  told: { readonly metrics: Metrics; readonly logger: Logger },
): OpenTargetOptions {
  return {
    url: values.targetConn,
    pool: {
      maxSize: values.targetMaxPoolSize,
      idleMs: values.targetIdleTime,
      jitterMs: values.targetJitterTime,
      maxLifetimeMs: values.targetMaxLifetime,
    },
    applyTimeoutMs: values.applyTimeout,
    statementCacheSize: values.targetStatementCacheSize,
    valuePolicies: valuePolicies(
      parseValuePolicyRules(values.valuePolicy),
      told,
    ),
    oracleEmptyString: values.oracleEmptyString,
    dlqTableName: values.dlqTableName,
  };
}
