/**
 * Everything by which a text could mean another value in another session, and
 * by which a value that does not fit could be changed instead of refused.
 *
 * The mode is set as a whole: NO_BACKSLASH_ESCAPES and ANSI_QUOTES of the
 * server would change what our literals mean. An explicit 0 is a value of an
 * auto_increment column, not a wish for the next number.
 */
const sqlMode = [
  'STRICT_ALL_TABLES',
  'NO_ZERO_IN_DATE',
  'NO_ZERO_DATE',
  'ERROR_FOR_DIVISION_BY_ZERO',
  'NO_ENGINE_SUBSTITUTION',
  'NO_AUTO_VALUE_ON_ZERO',
].join(',');

/** MySQL keeps lock waits in whole seconds; the client's timer is exact. */
export function sessionSettings(applyTimeoutMs: number): string {
  const seconds =
    applyTimeoutMs > 0
      ? Math.max(1, Math.ceil(applyTimeoutMs / 1000))
      : 31_536_000;
  return `set names utf8mb4;
set session sql_mode = '${sqlMode}', time_zone = '+00:00', autocommit = 1, completion_type = 'NO_CHAIN',
  foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0,
  sql_auto_is_null = 0, sql_big_selects = 1, sql_select_limit = 18446744073709551615, sql_notes = 1,
  innodb_lock_wait_timeout = ${seconds}, lock_wait_timeout = ${seconds};
set session transaction isolation level read committed`;
}

export const factsQuery = `select version() as version, @@local_infile as local_infile,
  @@max_allowed_packet as max_packet, @@lower_case_table_names as table_case,
  @@max_heap_table_size as max_heap`;

/** Not every server has the second one any more. */
export const binlogQuery = `show session variables where variable_name in ('log_bin', 'binlog_format')`;

/** There the server itself ends what lasts too long, even when we are gone. */
export function mariadbSettings(applyTimeoutMs: number): string {
  return `set session max_statement_time = ${applyTimeoutMs / 1000},
  idle_transaction_timeout = ${Math.ceil(applyTimeoutMs / 1000)}, check_constraint_checks = 1`;
}

export function mysqlSettings(): string {
  return `set session max_execution_time = 0`;
}

/**
 * MySQL has no limit for a pause inside a transaction: what it has for pauses
 * is put to use, and set back when the transaction ends.
 */
export function beginStatement(
  isMariadb: boolean,
  applyTimeoutMs: number,
): string {
  const limit =
    isMariadb || applyTimeoutMs === 0
      ? ''
      : `set session wait_timeout = ${Math.max(1, Math.ceil(applyTimeoutMs / 1000))}; `;
  return `${limit}start transaction`;
}

export function endStatement(
  how: 'commit' | 'rollback',
  isMariadb: boolean,
  applyTimeoutMs: number,
): string {
  return isMariadb || applyTimeoutMs === 0
    ? how
    : `${how}; set session wait_timeout = default`;
}
