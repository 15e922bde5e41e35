/** What the commands `dlq list`, `show`, `retry` and `discard` have in common. */
import { shownWord } from '../../config/shown-word.ts';
import { checkDeadLetterTable } from '../../config/check.ts';
import type {
  deadLetterCommandOptions,
  OptionTable,
  OptionValues,
} from '../../config/options.ts';
import { parseValuePolicyRules } from '../../config/value-policy-rules.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { canonicalKey } from '../../mutation/canonical-key.ts';
import { arrayElements } from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import { type SchemaName, schemaName } from '../../mutation/schema-name.ts';
import { printTimestamp } from '../../mutation/timestamp.ts';
import { valuePolicies } from '../../pipeline/watching/replaced-values.ts';
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
import { isoTime, textTable } from '../printed-text.ts';
import { typedSchema, typedTime } from '../typed-words.ts';

export const schemaOption = {
  schema: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'The target schema, as it stands in a log (shop.public) or in the webhook path (shop/public); by default the one that the address of the target suggests.',
  },
} as const satisfies OptionTable;

export const letterFilterOptions = {
  ...schemaOption,
  id: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'Only the letters with these ids, separated by commas.',
  },
  table: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'Only letters of this table, with its exact name.',
  },
  key: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Only letters of the row with this key: a JSON array of the values of its primary key, as dlq list prints it ([42]).',
  },
  code: {
    type: 'string',
    default: '',
    group: 'Command',
    about: 'Only letters that were set aside with this code (E4006).',
  },
  from: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Only changes of the source at or after this timestamp (<nanoseconds>.<10 digits>).',
  },
  through: {
    type: 'string',
    default: '',
    group: 'Command',
    about:
      'Only changes of the source at or before this timestamp (<nanoseconds>.<10 digits>).',
  },
} as const satisfies OptionTable;

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
    await openTarget({
      url: values.targetConn,
      pool: {
        maxSize: values.targetMaxPoolSize,
        idleMs: values.targetIdleTime,
        jitterMs: values.targetJitterTime,
        maxLifetimeMs: values.targetMaxLifetime,
      },
      applyTimeoutMs: values.applyTimeout,
      statementCacheSize: values.targetStatementCacheSize,
      valuePolicies: valuePolicies(parseValuePolicyRules(values.valuePolicy), {
        metrics,
        logger,
      }),
      oracleEmptyString: values.oracleEmptyString,
      dlqTableName: values.dlqTableName,
    }),
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

export function letterFilter(
  values: OptionValues<typeof letterFilterOptions>,
): DeadLetterFilter {
  const from = typedTime('--from', values.from);
  const through = typedTime('--through', values.through);
  return {
    ...(values.id !== '' && { ids: typedIds(values.id) }),
    ...(values.table !== '' && { table: values.table }),
    ...(values.key !== '' && { key: typedKey(values.key) }),
    ...(values.code !== '' && { code: typedCode(values.code) }),
    ...(from !== undefined && { from }),
    ...(through !== undefined && { through }),
  };
}

function typedIds(text: string): string[] {
  return text.split(',').map((word) => {
    const id = word.trim();
    if (!/^\d{1,18}$/.test(id)) {
      throw new ReplicatorError('E5002', {
        detail: `--id ${shownWord(id)} is not the id of a dead letter`,
        remedy: 'give numbers as replicator dlq list prints them',
      });
    }
    return id;
  });
}

function typedCode(text: string): string {
  const code = text.toUpperCase();
  if (!/^E\d{4}$/.test(code)) {
    throw new ReplicatorError('E5002', {
      detail: `--code ${JSON.stringify(text)} is not a code`,
      remedy: 'give one as replicator dlq list prints it, such as E4006',
    });
  }
  return code;
}

/** As the source's key is written, whatever blanks a person puts into it. */
function typedKey(text: string): JsonText {
  let isArray: boolean;
  try {
    isArray = Array.isArray(JSON.parse(text));
  } catch {
    isArray = false;
  }
  if (!isArray) {
    throw new ReplicatorError('E5002', {
      detail: '--key is not a JSON array',
      remedy: `give it as replicator dlq list prints it: --key '[42]', --key '["a", 7]'`,
    });
  }
  return canonicalKey(arrayElements(text as JsonText));
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

export function operationOf({ mutation }: DeadLetter): string {
  if (mutation.after === null) {
    return 'delete';
  }
  return mutation.movedFrom === undefined ? 'upsert' : 'move';
}

/** The keys of rows without a key hold all their values: then they are row data. */
export function shownKey({ keyColumns, mutation }: DeadLetter): string {
  if (keyColumns.length === 0) {
    return '(the row)';
  }
  return mutation.movedFrom === undefined
    ? mutation.key
    : `${mutation.movedFrom} to ${mutation.key}`;
}

export function stateOf({ supersededAt }: DeadLetter): 'open' | 'superseded' {
  return supersededAt === null ? 'open' : 'superseded';
}

export function letterTable(letters: readonly DeadLetter[]): string {
  return textTable(
    ['ID', 'TIME', 'TABLE', 'OP', 'KEY', 'CODE', 'STATE', 'CAUSE'],
    letters.map((letter) => [
      letter.id,
      isoTime(letter.mutation.time),
      letter.table,
      operationOf(letter),
      shownKey(letter),
      letter.code,
      stateOf(letter),
      oneLine(letter.cause),
    ]),
  );
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 200);
}

/** Without what the row holds. */
export function letterJson(letter: DeadLetter): object {
  const { mutation } = letter;
  return {
    id: letter.id,
    table: letter.table,
    operation: operationOf(letter),
    time: printTimestamp(mutation.time),
    key: letter.keyColumns.length === 0 ? null : mutation.key,
    keyColumns: letter.keyColumns,
    movedFrom:
      letter.keyColumns.length === 0 ? null : (mutation.movedFrom ?? null),
    code: letter.code,
    cause: letter.cause,
    state: stateOf(letter),
    createdAt: letter.createdAt.toISOString(),
    supersededAt: letter.supersededAt?.toISOString() ?? null,
  };
}
