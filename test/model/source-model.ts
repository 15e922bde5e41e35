/**
 * A source that checks its constraints at commit, as rows in memory. It turns
 * random strokes into transactions that are valid: what a stroke has left
 * broken is mended, or the transaction is no more.
 */
import { createRandom } from '../../src/workload/random.ts';
import { Draft, type Tables } from './draft.ts';
import { mend } from './mend.ts';
import type { Commit } from './model-rows.ts';
import type { ModelSchema } from './random-schema.ts';
import { strike, type Stroke } from './strokes.ts';

export function commitsOf(
  schema: ModelSchema,
  all: readonly (readonly Stroke[])[],
): Commit[] {
  const model = new SourceModel(schema);
  return all.flatMap((transaction) => {
    const commit = model.commit(transaction);
    return commit ? [commit] : [];
  });
}

export class SourceModel {
  readonly #schema: ModelSchema;
  #tables: Tables;
  #version = 0;

  constructor(schema: ModelSchema) {
    this.#schema = schema;
    this.#tables = schema.tables.map(() => new Map());
  }

  /** Null where it could not be made valid, or changed nothing. */
  commit(transaction: readonly Stroke[]): Commit | null {
    const version = this.#version + 1;
    const random = createRandom(
      transaction.reduce((sum, { salt }) => (sum * 31 + salt) >>> 0, version),
    );
    const draft = new Draft(
      this.#schema,
      this.#tables.map((rows) => new Map(rows)),
      version,
    );
    for (const stroke of transaction) {
      strike(draft, stroke);
    }
    if (!mend(draft, random)) {
      return null;
    }
    const changes = draft.changesSince(this.#tables, random);
    if (changes.length === 0) {
      return null;
    }
    this.#version = version;
    this.#tables = draft.tables;
    return changes;
  }
}
