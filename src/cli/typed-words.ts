/** Names and times as a person types them behind an option. */
import { ReplicatorError } from '../failure/failure.ts';
import {
  type SchemaName,
  schemaName,
  schemaNameParts,
} from '../mutation/schema-name.ts';
import { parseTimestamp, type Timestamp } from '../mutation/timestamp.ts';

/** Reads a schema as a person types it; undefined when none was given. */
export function typedSchema(text: string): SchemaName | undefined {
  if (text === '') {
    return undefined;
  }
  return text.includes('/')
    ? schemaName(text.split('/').filter((part) => part !== ''))
    : schemaName(schemaNameParts(text as SchemaName));
}

/** Undefined when none was given; throws E5002, which names the option. */
export function typedTime(option: string, text: string): Timestamp | undefined {
  if (text === '') {
    return undefined;
  }
  const time = parseTimestamp(text);
  if (time === null) {
    throw new ReplicatorError('E5002', {
      detail: `${option} ${JSON.stringify(text)} is not a timestamp`,
      remedy:
        'give <nanoseconds>.<10 digits>, as cluster_logical_timestamp() and staging list print it',
    });
  }
  return time;
}
