/** Which commands there are. A module is loaded only when its command runs. */
import type { Command } from './command.ts';

type LoadCommand = () => Promise<Command>;

export const commands: Readonly<Record<string, LoadCommand>> = {
  start: async () => (await import('./daemon/start.ts')).startCommand,
  pglogical: async () =>
    (await import('./daemon/pglogical.ts')).pglogicalCommand,
  preflight: async () =>
    (await import('./preflight/preflight.ts')).preflightCommand,
  'target prepare': async () =>
    (await import('./preflight/target-prepare.ts')).targetPrepareCommand,
  'workload run': async () =>
    (await import('./workload-run.ts')).workloadRunCommand,
  'staging list': async () =>
    (await import('./staging/staging-list.ts')).stagingListCommand,
  'staging peek': async () =>
    (await import('./staging/staging-peek.ts')).stagingPeekCommand,
  'staging purge': async () =>
    (await import('./staging/staging-purge.ts')).stagingPurgeCommand,
  'staging rescan': async () =>
    (await import('./staging/staging-rescan.ts')).stagingRescanCommand,
  'dlq list': async () => (await import('./dlq/dlq-list.ts')).dlqListCommand,
  'dlq show': async () => (await import('./dlq/dlq-show.ts')).dlqShowCommand,
  'dlq retry': async () => (await import('./dlq/dlq-retry.ts')).dlqRetryCommand,
  'dlq discard': async () =>
    (await import('./dlq/dlq-discard.ts')).dlqDiscardCommand,
  'make-certs': async () =>
    (await import('./trial/make-certs.ts')).makeCertsCommand,
  'feed sql': async () => (await import('./trial/feed-sql.ts')).feedSqlCommand,
  'make-jwt': async () => (await import('./jwt/make-jwt.ts')).makeJwtCommand,
  'jwt add-key': async () =>
    (await import('./jwt/jwt-add-key.ts')).jwtAddKeyCommand,
  'jwt list': async () => (await import('./jwt/jwt-list.ts')).jwtListCommand,
  'jwt revoke': async () =>
    (await import('./jwt/jwt-revoke.ts')).jwtRevokeCommand,
  'jwt deactivate-key': async () =>
    (await import('./jwt/jwt-deactivate-key.ts')).jwtDeactivateKeyCommand,
  version: async () => (await import('./version.ts')).versionCommand,
  help: async () => (await import('./help.ts')).helpCommand,
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
