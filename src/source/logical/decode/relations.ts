/**
 * How the source describes a table before its first change, and again after
 * each change of its definition.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import {
  checkRoom,
  readInt32,
  readString,
  readUInt16,
  readUInt32,
  skipString,
} from './message-fields.ts';
import { fieldsAt } from './pgoutput.ts';

/** What an update or a delete says of the row that was there. */
export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index';

export interface SourceColumn {
  readonly name: string;
  /** Part of the replica identity; with `full` every column is. */
  readonly isKey: boolean;
  readonly typeOid: number;
  readonly typeModifier: number;
}

export interface SourceRelation {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly replicaIdentity: ReplicaIdentity;
  /** Those that are published, in their order in tuples. */
  readonly columns: readonly SourceColumn[];
}

const identities: Readonly<Record<number, ReplicaIdentity>> = {
  0x64: 'default',
  0x6e: 'nothing',
  0x66: 'full',
  0x69: 'index',
};

/** Flags, at least one byte of name and its zero, type, modifier. */
const minColumnBytes = 10;

export function readRelation(
  payload: Buffer,
  offset = 0,
  inStream = false,
): SourceRelation {
  let at = fieldsAt(offset, inStream);
  const oid = readUInt32(payload, at);
  // Of pg_catalog the name is not sent.
  const schema = readString(payload, at + 4) || 'pg_catalog';
  at = skipString(payload, at + 4);
  const table = readString(payload, at);
  at = skipString(payload, at);
  checkRoom(payload, at, 3);
  const replicaIdentity = identities[payload[at]!];
  if (replicaIdentity === undefined) {
    throw new ReplicatorError('E6009', {
      detail: `the source describes the table ${schema}.${table} with an unknown replica identity`,
    });
  }
  const count = readUInt16(payload, at + 1);
  at += 3;
  checkRoom(payload, at, count * minColumnBytes);
  const columns: SourceColumn[] = [];
  for (let index = 0; index < count; index += 1) {
    checkRoom(payload, at, minColumnBytes);
    const isKey = (payload[at]! & 1) !== 0;
    const name = readString(payload, at + 1);
    at = skipString(payload, at + 1);
    columns.push({
      name,
      isKey,
      typeOid: readUInt32(payload, at),
      typeModifier: readInt32(payload, at + 4),
    });
    at += 8;
  }
  return { oid, schema, table, replicaIdentity, columns };
}
