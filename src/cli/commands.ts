/** Which commands there are. A module is loaded only when its command runs. */
import type { Command } from './command.ts';

interface CommandEntry {
  /** One line for the overview of `replicator help`. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const commands: Readonly<Record<string, CommandEntry>> = {
  start: {
    summary: 'Take CockroachDB changefeeds and apply them to the target',
    load: async () => (await import('./daemon/start.ts')).startCommand,
  },
  pglogical: {
    summary: 'Read a PostgreSQL replication slot and apply it to the target',
    load: async () => (await import('./daemon/pglogical.ts')).pglogicalCommand,
  },
  preflight: {
    summary: 'Check options, source, target and staging before a start',
    load: async () =>
      (await import('./preflight/preflight.ts')).preflightCommand,
  },
  'target prepare': {
    summary:
      'Make what the daemon needs at the target, as the owner of the tables',
    load: async () =>
      (await import('./preflight/target-prepare.ts')).targetPrepareCommand,
  },
  'workload run': {
    summary: 'Play a source with a changefeed and check the target against it',
    load: async () => (await import('./workload-run.ts')).workloadRunCommand,
  },
  'staging list': {
    summary: 'Show what waits in staging, and how far each schema has come',
    load: async () =>
      (await import('./staging/staging-list.ts')).stagingListCommand,
  },
  'staging peek': {
    summary: 'Show the rows of one staged entry',
    load: async () =>
      (await import('./staging/staging-peek.ts')).stagingPeekCommand,
  },
  'staging purge': {
    summary: 'Delete staged entries for good',
    load: async () =>
      (await import('./staging/staging-purge.ts')).stagingPurgeCommand,
  },
  'staging rescan': {
    summary: 'Take a scan of a table that was fed before for a new one',
    load: async () =>
      (await import('./staging/staging-rescan.ts')).stagingRescanCommand,
  },
  'dlq list': {
    summary: 'Show the rows that were set aside, and why',
    load: async () => (await import('./dlq/dlq-list.ts')).dlqListCommand,
  },
  'dlq show': {
    summary: 'Show one row that was set aside, whole',
    load: async () => (await import('./dlq/dlq-show.ts')).dlqShowCommand,
  },
  'dlq retry': {
    summary: 'Apply rows that were set aside again, once their cause is mended',
    load: async () => (await import('./dlq/dlq-retry.ts')).dlqRetryCommand,
  },
  'dlq discard': {
    summary: 'Delete rows that were set aside, for good',
    load: async () => (await import('./dlq/dlq-discard.ts')).dlqDiscardCommand,
  },
  'make-certs': {
    summary: 'Make an authority, a server and a client certificate for a trial',
    load: async () => (await import('./trial/make-certs.ts')).makeCertsCommand,
  },
  'feed sql': {
    summary: 'Print the CREATE CHANGEFEED statement for this daemon',
    load: async () => (await import('./trial/feed-sql.ts')).feedSqlCommand,
  },
  'make-jwt': {
    summary: 'Make a token for a changefeed',
    load: async () => (await import('./jwt/make-jwt.ts')).makeJwtCommand,
  },
  'jwt add-key': {
    summary: 'Trust a key: tokens that it signed are let in',
    load: async () => (await import('./jwt/jwt-add-key.ts')).jwtAddKeyCommand,
  },
  'jwt list': {
    summary: 'Show which keys are trusted and which tokens are revoked',
    load: async () => (await import('./jwt/jwt-list.ts')).jwtListCommand,
  },
  'jwt revoke': {
    summary: 'Refuse one token from now on',
    load: async () => (await import('./jwt/jwt-revoke.ts')).jwtRevokeCommand,
  },
  'jwt deactivate-key': {
    summary: 'Trust a key no longer: every token that it signed is refused',
    load: async () =>
      (await import('./jwt/jwt-deactivate-key.ts')).jwtDeactivateKeyCommand,
  },
  version: {
    summary: 'Print the version, and with --deps the packages inside',
    load: async () => (await import('./version.ts')).versionCommand,
  },
  help: {
    summary: 'Explain a command and its options',
    load: async () => (await import('./help.ts')).helpCommand,
  },
};

/**
 * The name at the front of a line, of one word or two (`staging list`), and
 * what stands behind it. Null when no command has that name.
 */
export function matchCommand(
  words: readonly string[],
): { name: string; rest: readonly string[] } | null {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ');
    if (words.length >= length && Object.hasOwn(commands, name)) {
      return { name, rest: words.slice(length) };
    }
  }
  return null;
}
