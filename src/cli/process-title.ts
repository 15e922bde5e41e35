import { redactUrl, secretNames } from '../config/redact.ts';

/**
 * The command line as `ps` may show it, or null where it holds no secret. The
 * title of a process takes the place of its arguments there.
 */
export function titleWithoutSecrets(argv: readonly string[]): string | null {
  let isSecret = false;
  const shown = argv.map((argument) => {
    const flag = /^--([\w-]+)(=?)([\s\S]*)$/.exec(argument);
    const value = flag?.[2] === '=' ? flag[3]! : flag ? '' : argument;
    const head = argument.slice(0, argument.length - value.length);
    const wasSecret = isSecret;
    isSecret = flag?.[2] === '' && secretNames.test(flag[1]!);
    const hides = flag ? secretNames.test(flag[1]!) : wasSecret;
    return `${head}${hides && !/^(env|file):/.test(value) && value !== '' ? shownAddress(value) : redactUrl(value)}`;
  });
  return shown.some((argument, at) => argument !== argv[at])
    ? ['replicator', ...shown].join(' ')
    : null;
}

function shownAddress(value: string): string {
  return /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? redactUrl(value) : '***';
}
