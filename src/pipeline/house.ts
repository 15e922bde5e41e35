import type { StagingStore } from '../staging/staging.ts';
import type { Target } from '../target/target.ts';
import type { Audit } from '../telemetry/audit.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { StagingBudget } from './feed/staging-budget.ts';
import type { Election } from './leading/leadership.ts';
import type { PipelineOptions } from './pipeline-options.ts';

/** What all pipelines of a daemon share. */
export interface House {
  readonly store: StagingStore;
  /** Given where other daemons may share the store: one of them applies. */
  readonly election?: Election;
  readonly target: Target;
  readonly budget: StagingBudget;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly audit: Audit;
  readonly options: PipelineOptions;
}
