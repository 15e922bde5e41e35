/** Options from environment variables. */
import { editDistance } from './nearest-name.ts';
import type { OptionTable } from './option-entry.ts';
import { peerOptions } from './peer-options.ts';
import type { RawValues } from './raw-value.ts';

/**
 * `flushSize` is `REPLICATOR_FLUSH_SIZE`: an underscore before each word, a
 * dash becomes one, all in capitals, `REPLICATOR_` in front. `CA` is one word:
 * `tlsClientCA` is `REPLICATOR_TLS_CLIENT_CA`.
 */
export function environmentName(option: string): string {
  const snake = option
    .replaceAll('-', '_')
    .replace(/([a-z\d])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3_$2');
  return `REPLICATOR_${snake.toUpperCase()}`;
}

/** An empty variable counts as not set, but see `refusesEmpty`. */
export function environmentValues(
  env: NodeJS.ProcessEnv,
  table: OptionTable,
  known: OptionTable,
): { raw: RawValues; peerNames: string[]; warnings: string[] } {
  const raw: RawValues = new Map();
  for (const [option, entry] of Object.entries(table)) {
    const where = environmentName(option);
    const text = env[where];
    const isRead =
      text !== '' || (entry.type === 'string' && entry.refusesEmpty);
    if (text !== undefined && isRead) {
      raw.set(option, { text, where });
    }
  }
  const peerNames = Object.keys(peerOptions).filter(
    (option) => (env[environmentName(option)] ?? '') !== '',
  );
  const knownNames = new Set(
    [table, known, peerOptions].flatMap(Object.keys).map(environmentName),
  );
  return { raw, peerNames, warnings: probableTypos(env, knownNames) };
}

/**
 * A warning only: Kubernetes sets variables such as REPLICATOR_SERVICE_HOST
 * for a service of that name, so an unknown variable cannot be refused.
 */
function probableTypos(
  env: NodeJS.ProcessEnv,
  knownNames: ReadonlySet<string>,
): string[] {
  const warnings: string[] = [];
  for (const name of Object.keys(env)) {
    if (!name.startsWith('REPLICATOR_') || knownNames.has(name)) {
      continue;
    }
    for (const known of knownNames) {
      if (editDistance(name, known) <= 2) {
        warnings.push(`${name} is no option; did you mean ${known}?`);
        break;
      }
    }
  }
  return warnings;
}
