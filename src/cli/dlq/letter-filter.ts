/** Which letters a command is about, as its options say. */
import type { OptionTable, OptionValues } from '../../config/options.ts';
import { shownWord } from '../../config/shown-word.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { canonicalKey } from '../../mutation/canonical-key.ts';
import { arrayElements } from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { DeadLetterFilter } from '../../target/dead-letters.ts';
import { typedTime } from '../typed-words.ts';

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
