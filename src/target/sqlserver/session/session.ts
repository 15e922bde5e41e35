/** What every session of ours is set to. */

export interface SessionOptions {
  /** A statement, or a wait for a lock, that lasts longer fails. 0 = never. */
  readonly applyTimeoutMs: number;
}

/**
 * Everything by which a text could mean another value, or an error something
 * else, in another session. SET options outlive whoever set them, so they are
 * set again for each transaction. ANSI settings also decide whether indexes
 * on computed columns and filtered indexes can be written.
 */
export function sessionSettings({ applyTimeoutMs }: SessionOptions): string {
  const lockTimeoutMs = applyTimeoutMs > 0 ? Math.trunc(applyTimeoutMs) : -1;
  return `set xact_abort on;
set nocount on;
set implicit_transactions off;
set ansi_nulls on;
set ansi_padding on;
set ansi_warnings on;
set arithabort on;
set concat_null_yields_null on;
set numeric_roundabort off;
set quoted_identifier on;
set language us_english;
set dateformat ymd;
set rowcount 0;
set lock_timeout ${lockTimeoutMs};
set transaction isolation level read committed;`;
}
