import type { Finding } from '../../failure/finding.ts';
import type { PreflightOptions } from '../open-target.ts';

export async function mysqlFindings(
  _options: PreflightOptions,
  _signal: AbortSignal,
): Promise<Finding[]> {
  return [];
}
