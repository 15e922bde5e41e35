/** How the commands `dlq list`, `show`, `retry` and `discard` come to their letters. */
import { checkDeadLetterTable } from '../../config/check.ts';
import type {
  deadLetterCommandOptions,
  OptionValues,
} from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { type SchemaName, schemaName } from '../../mutation/schema-name.ts';
import type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetters,
} from '../../target/dead-letters.ts';
import { openTarget } from '../../target/open-target.ts';
import type { SchemaShape, Target } from '../../target/target.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import type { CommandIo } from '../command.ts';
import { targetOptionsOf } from '../target-options.ts';
import { typedSchema } from '../typed-words.ts';

/** Letters that are read from the target at once. */
const pageSize = 500;

export interface OpenLetters {
  readonly target: Target;
  readonly schema: SchemaName;
  readonly letters: DeadLetters;
}

/** Opens the target alone: staging need not be there. */
export async function openLetters(
  values: OptionValues<typeof deadLetterCommandOptions> & {
    readonly schema: string;
  },
  stack: AsyncDisposableStack,
  { stderr }: CommandIo,
): Promise<OpenLetters> {
  if (values.targetConn === '') {
    throw new ReplicatorError('E5004', {
      detail: '--targetConn is missing',
      remedy: 'give the address of the database whose dead letters to look at',
    });
  }
  checkDeadLetterTable(values.dlqTableName);
  const metrics = createMetrics();
  const logger = createLogger(
    { logFormat: 'text', verbose: 0 },
    { write: (line) => void stderr.write(line) },
    metrics,
  );
  const target = stack.use(
    await openTarget(targetOptionsOf(values, { metrics, logger })),
  );
  const schema =
    typedSchema(values.schema) ??
    schemaName(target.examplePath.slice(1).split('/').map(decodeURIComponent));
  return {
    target,
    schema,
    letters: target.deadLetters(schema, values.dlqTableName),
  };
}

/**
 * What to say where nothing fits. E4012 where the target has no such schema:
 * a typing error must not pass for good news.
 */
export async function nothingFits(
  { target, schema }: OpenLetters,
  letters: 'dead letters' | 'open dead letters' | 'superseded dead letters',
  filter: DeadLetterFilter,
  signal: AbortSignal,
): Promise<string> {
  await requireSchema(target, schema, signal);
  const isFiltered = Object.keys(filter).some(
    (key) => key !== 'includeSuperseded',
  );
  return isFiltered
    ? `No ${letters} in ${schema} are selected.\n`
    : `There are no ${letters} in ${schema}.\n`;
}

/** E4012 where the target does not have it. */
export async function requireSchema(
  target: Target,
  schema: SchemaName,
  signal: AbortSignal,
): Promise<SchemaShape> {
  const shape = await target.introspect(schema, signal);
  if (shape === null) {
    throw new ReplicatorError('E4012', {
      detail: `there is no schema ${schema} at the target`,
      remedy: 'name it with --schema, as shop.public or shop/public',
    });
  }
  return shape;
}

/** All that fit, page by page. */
export async function* everyLetter(
  letters: DeadLetters,
  filter: DeadLetterFilter,
  signal: AbortSignal,
): AsyncGenerator<DeadLetter> {
  let after: string | null = null;
  for (;;) {
    const page: DeadLetter[] = await letters.list(
      filter,
      pageSize,
      after,
      signal,
    );
    yield* page;
    if (page.length < pageSize) {
      return;
    }
    after = page.at(-1)!.id;
  }
}
