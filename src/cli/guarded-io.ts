/** The last look at what a command prints. */
import { redactText } from '../config/redact.ts';
import { hideKnownSecrets } from '../config/known-secrets.ts';
import type { CommandIo } from './command.ts';

/**
 * Standard output without the secrets that the options hold: it shows rows by
 * its nature, which no pattern may alter. Standard error, which shows none,
 * without whatever looks like a secret.
 */
export function guardedIo(io: CommandIo): CommandIo {
  return {
    ...io,
    stdout: guarded(io.stdout, (text) => hideKnownSecrets(text, '***')),
    stderr: guarded(io.stderr, redactText),
  };
}

function guarded(
  stream: NodeJS.WritableStream,
  clean: (text: string) => string,
): NodeJS.WritableStream {
  const write = (chunk: unknown, ...rest: unknown[]): boolean =>
    (stream.write as (...args: unknown[]) => boolean).call(
      stream,
      typeof chunk === 'string' ? clean(chunk) : chunk,
      ...rest,
    );
  return new Proxy(stream, {
    get(target, name) {
      if (name === 'write') {
        return write;
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
