/** Messages of pgoutput, byte by byte. */

/** A value of a tuple: text, SQL NULL, or not sent (`u`). */
export type TupleValue = string | Buffer | null | undefined;

export interface RelationSpec {
  readonly oid?: number;
  readonly schema?: string;
  readonly table?: string;
  /** d, n, f or i. */
  readonly identity?: string;
  readonly columns: readonly {
    readonly name: string;
    readonly isKey?: boolean;
    readonly typeOid?: number;
    readonly typeModifier?: number;
  }[];
}

export const relationOid = 16_400;

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

export function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

/** With its zero at the end. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** Letters stand for their bytes. */
export function message(...parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)),
  );
}

export function relationMessage({
  oid = relationOid,
  schema = 'public',
  table = 'item',
  identity = 'd',
  columns,
}: RelationSpec): Buffer {
  return message(
    'R',
    int32(oid),
    text(schema),
    text(table),
    identity,
    int16(columns.length),
    ...columns.flatMap(
      ({ name, isKey = false, typeOid = 25, typeModifier = -1 }) => [
        Buffer.from([isKey ? 1 : 0]),
        text(name),
        int32(typeOid),
        int32(typeModifier),
      ],
    ),
  );
}

export function tuple(values: readonly TupleValue[]): Buffer {
  return message(
    int16(values.length),
    ...values.flatMap((value) => {
      if (value == null) {
        return [value === null ? 'n' : 'u'];
      }
      const bytes = Buffer.from(value as string);
      return ['t', int32(bytes.length), bytes];
    }),
  );
}

export function insertMessage(values: readonly TupleValue[]): Buffer {
  return message('I', int32(relationOid), 'N', tuple(values));
}

/** `old`: K and O as in the protocol. */
export function updateMessage(
  values: readonly TupleValue[],
  old?: readonly ['K' | 'O', readonly TupleValue[]],
): Buffer {
  return message(
    'U',
    int32(relationOid),
    ...(old ? [old[0], tuple(old[1])] : []),
    'N',
    tuple(values),
  );
}

export function deleteMessage(
  kind: 'K' | 'O',
  values: readonly TupleValue[],
): Buffer {
  return message('D', int32(relationOid), kind, tuple(values));
}

/** With the id of a transaction behind the byte of the kind. */
export function inStream(plain: Buffer, xid = 77): Buffer {
  return message(plain.subarray(0, 1), int32(xid), plain.subarray(1));
}
