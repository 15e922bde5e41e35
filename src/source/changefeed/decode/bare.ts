/**
 * A bare row as the wrapped row it stands for, so that all that follows
 * knows one form. Bare is what CDC queries send by default.
 */
import {
  memberValue,
  skipBlank,
  skipValue,
  unescape,
} from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { requireFewColumns } from './columns.ts';

/**
 * Rewrites the bare row between the positions. A row with no column beside
 * `__crdb__` is a delete. Servers of older versions put `key` and `topic`
 * beside the columns: they are taken for that where `hasColumn` says that
 * the table which the topic names has no such column.
 */
export function wrapBareRow(
  row: string,
  hasColumn: (topic: JsonText | null, name: string) => boolean,
): string {
  const columns: string[] = [];
  const outer = new Map<string, { member: string; value: JsonText }>();
  let metadata: ReadonlyMap<string, JsonText> = new Map();
  let pos = skipBlank(row, 1);
  while (row.charCodeAt(pos) === 0x22) {
    requireFewColumns(columns.length);
    const nameEnd = skipValue(row, pos);
    const start = skipBlank(row, skipBlank(row, nameEnd) + 1);
    const end = skipValue(row, start);
    const name = unescape(row, pos + 1, nameEnd - 1);
    const value = row.slice(start, end) as JsonText;
    if (name === '__crdb__') {
      metadata = membersOf(value);
    } else if (name === 'key' || name === 'topic') {
      outer.set(name, { member: row.slice(pos, end), value });
    } else {
      columns.push(row.slice(pos, end));
    }
    pos = skipBlank(row, end);
    if (row.charCodeAt(pos) !== 0x2c) {
      break;
    }
    pos = skipBlank(row, pos + 1);
  }
  const fields = new Map(metadata);
  const topic = metadata.get('topic') ?? outer.get('topic')?.value ?? null;
  for (const [name, { member, value }] of outer) {
    if (metadata.has(name) || hasColumn(topic, name)) {
      columns.push(member);
    } else {
      fields.set(name, value);
    }
  }
  const after = columns.length === 0 ? 'null' : `{${columns.join(',')}}`;
  const wrapped = [`"after":${after}`];
  for (const name of ['key', 'topic', 'updated']) {
    const value = fields.get(name);
    if (value !== undefined) {
      wrapped.push(`"${name}":${value}`);
    }
  }
  return `{${wrapped.join(',')}}`;
}

/** Those of the metadata that are of use. */
function membersOf(value: JsonText): ReadonlyMap<string, JsonText> {
  return value.startsWith('{')
    ? new Map(
        ['key', 'topic', 'updated'].flatMap((name) => {
          const found = memberValue(value, name);
          return found === null ? [] : [[name, found] as const];
        }),
      )
    : new Map();
}
