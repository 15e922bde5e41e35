/** One case: a schema, what the source did, and how it comes about at the target. */
import type { PipelineOptions } from '../../src/pipeline/pipeline-options.ts';
import { badFrom } from './bad-rows.ts';
import { type ModelDatabase, tableStatements } from './model-database.ts';
import type { ModelSchema } from './random-schema.ts';
import type { Commit } from './model-rows.ts';

export interface CaseSettings {
  readonly mode: PipelineOptions['mode'];
  readonly seed: number;
  readonly parallelism: number;
  readonly flushSize: number;
  readonly timestampLimit: number;
  readonly scanSize: number;
  readonly readBudgetBytes: number;
  readonly collapseMutations: boolean;
  readonly staging: 'sqlite' | 'postgres';
  readonly hasBefore: boolean;
  readonly isSparse: boolean;
  readonly feedRestarts: number;
  readonly pipelineRestarts: number;
  readonly faultCount: number;
  /** Some rows hold what the target refuses, and are set aside (`--onRowError`). */
  readonly hasBadRows: boolean;
  /** Whether rows of tables that stand alone go ahead, or now and then. */
  readonly bestEffort: 'off' | 'always' | 'sometimes';
}

export interface ModelCase {
  readonly schema: ModelSchema;
  readonly commits: readonly Commit[];
  readonly settings: CaseSettings;
}

export function describeCase(
  database: ModelDatabase,
  model: ModelCase,
): string {
  const { schema, commits, settings } = model;
  const sql = tableStatements(schema, {
    quote: (name) => name,
    limit: settings.hasBadRows ? badFrom : null,
    qualified: ({ name, schema: place }) => (place === 1 ? `x.${name}` : name),
  });
  const changes = commits.map(
    (commit, index) =>
      `${index + 1}: ${commit
        .map(
          ({ table, key, after, carried }) =>
            `t${table}${key} ${after ? JSON.stringify(after, carried && [...carried]) : 'deleted'}`,
        )
        .join('; ')}`,
  );
  return [
    database.engine,
    JSON.stringify(settings),
    ...sql,
    ...changes,
    JSON.stringify(model),
  ].join('\n');
}
