import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Audit } from '../../telemetry/audit.ts';
import type { PipelineStatus } from './status.ts';

/**
 * Records when a schema halts and goes on, when another daemon takes it away,
 * and when its mode changes. Retries between a halt and its end are one halt.
 */
export function auditStatus(
  status: PipelineStatus,
  schema: SchemaName,
  audit: Audit,
): void {
  let stopped: 'halted' | 'superseded' | null = null;
  let mode = status.mode;
  status.onChange = () => {
    const { state, lastError } = status;
    if ((state === 'halted' || state === 'superseded') && stopped !== state) {
      stopped = state;
      audit.note(state === 'halted' ? 'halt' : 'superseded', {
        schema,
        code: lastError?.code ?? null,
      });
    } else if (
      stopped !== null &&
      (state === 'running' || state === 'standby')
    ) {
      audit.note('resume', { schema, after: stopped, to: state });
      stopped = null;
    }
    if (status.mode !== mode) {
      audit.note('mode', { schema, from: mode, to: status.mode });
      mode = status.mode;
    }
  };
}
