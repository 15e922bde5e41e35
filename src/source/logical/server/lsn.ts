/**
 * Log sequence numbers: a place in the source's WAL, in bytes.
 *
 * They are 64 bits wide, too many for a JavaScript number, so they count as
 * bigint and are written as PostgreSQL writes them: `16/B374D848`.
 */

const form = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** Throws a RangeError where `text` is no LSN. */
export function parseLsn(text: string): bigint {
  const [, high, low] = form.exec(text) ?? [];
  if (high === undefined || low === undefined) {
    throw new RangeError(`"${text}" is not a log sequence number`);
  }
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** As PostgreSQL 12 to 18 print it: no zeros in front of either half. */
export function printLsn(lsn: bigint): string {
  const half = (bits: bigint): string => bits.toString(16).toUpperCase();
  return `${half(lsn >> 32n)}/${half(lsn & 0xff_ff_ff_ffn)}`;
}
