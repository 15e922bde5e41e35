/**
 * Which table a topic means. A changefeed names a table as it is called at
 * the source: bare, or `database.schema.table` with full_table_name.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { detachedText } from '../../../lib/detached-text.ts';
import { schemaNameParts } from '../../../mutation/schema-name.ts';
import type { SchemaShape, TableShape } from '../../../target/target.ts';
import { resolveTableName } from '../../table-names.ts';
import { shownName } from './decode-context.ts';

/** A shape is replaced, never changed, when the target's catalog changes. */
const knownTopics = new WeakMap<SchemaShape, Map<string, TableShape | null>>();
const maxCachedTopics = 10_000;

/** The table of that name: exactly, else the only one but for case. */
export function resolveTable(
  shape: SchemaShape,
  name: string,
): TableShape | null {
  const known = resolveTableName(shape, name);
  return known === null ? null : shape.tables.get(known)!;
}

/** The table of a topic that was resolved before and that no escape spells. */
export function knownTopic(
  shape: SchemaShape,
  topic: string,
): TableShape | null {
  return knownTopics.get(shape)?.get(topic) ?? null;
}

/**
 * The table that a topic means, or null. Throws E1015 for the topic of a
 * column family, whose rows lack columns and would be taken for whole ones.
 */
export function resolveTopic(
  shape: SchemaShape,
  topic: string,
): TableShape | null {
  let byTopic = knownTopics.get(shape);
  if (byTopic === undefined) {
    byTopic = new Map();
    knownTopics.set(shape, byTopic);
  }
  const known = byTopic.get(topic);
  if (known !== undefined) {
    return known;
  }
  const table = findTable(shape, topic);
  if (byTopic.size < maxCachedTopics) {
    byTopic.set(detachedText(topic), table);
  }
  return table;
}

function findTable(shape: SchemaShape, topic: string): TableShape | null {
  const whole = resolveTable(shape, topic);
  if (whole !== null) {
    return whole;
  }
  const parts = topicParts(topic);
  refuseColumnFamily(shape, parts, topic);
  return lastPartsTable(shape, parts);
}

/** The longest tail that is a table, for its name may itself hold dots. */
function lastPartsTable(
  shape: SchemaShape,
  parts: readonly string[],
): TableShape | null {
  for (let first = 0; first < parts.length; first += 1) {
    const table = resolveTable(shape, parts.slice(first).join('.'));
    if (table !== null) {
      return table;
    }
  }
  return null;
}

/** `table.family`, or `database.schema.table.family` with full names. */
function refuseColumnFamily(
  shape: SchemaShape,
  parts: readonly string[],
  topic: string,
): void {
  if (parts.length < 2) {
    return;
  }
  const owner = parts.slice(0, -1);
  // `schema.table` and `database.schema.table` may look the same.
  const schemaPart = schemaNameParts(shape.name).at(-1);
  const isQualified =
    owner.at(-1)!.toLowerCase() === schemaPart?.toLowerCase() ||
    (parts.length === 3 && lastPartsTable(shape, parts.slice(-1)) !== null);
  const table = isQualified ? null : lastPartsTable(shape, owner);
  if (table !== null) {
    throw new ReplicatorError('E1015', {
      detail: `the topic ${shownName(topic)} is a column family of table ${JSON.stringify(table.name)}`,
      remedy:
        'leave split_column_families out of CREATE CHANGEFEED, so that each row comes whole',
    });
  }
}

/** Splits at dots, except inside double quotes (`shop.public."a.b"`). */
function topicParts(topic: string): string[] {
  const parts: string[] = [];
  const pattern = /"((?:[^"]|"")*)"(?=\.|$)|([^.]*)/gy;
  let match: RegExpExecArray | null;
  while ((match = pattern.exec(topic)) !== null) {
    parts.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (pattern.lastIndex >= topic.length) {
      break;
    }
    pattern.lastIndex += 1;
  }
  return parts;
}
