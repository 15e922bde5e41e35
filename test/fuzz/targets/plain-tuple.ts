/**
 * The values of a tuple, read in the plainest way: bytes of text, null, or
 * undefined for what was not sent. Throws where it is cut short.
 */
export function readPlainTuple(bytes: Buffer): (Buffer | null | undefined)[] {
  const values: (Buffer | null | undefined)[] = [];
  let at = 2;
  for (let left = bytes.readUInt16BE(0); left > 0; left -= 1) {
    const kind = String.fromCharCode(bytes[at]!);
    at += 1;
    if (kind !== 't') {
      values.push(kind === 'n' ? null : undefined);
      continue;
    }
    const end = at + 4 + bytes.readInt32BE(at);
    values.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return values;
}
