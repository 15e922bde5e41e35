import { ReplicatorError } from '../../../failure/failure.ts';
import type { Authentication, Caller, Callers } from './callers.ts';

/**
 * `--disableAuthentication`: nobody is asked. A page in a browser is none of
 * those who are meant: on this machine it reaches even a loopback address,
 * whatever site it came from, and says so by `Origin` whenever it writes.
 */
export const anyCaller: Callers = {
  asksCertificate: false,
  challenge: null,
  identify({ headers }) {
    if (headers.origin !== undefined) {
      throw new ReplicatorError('E1024', {
        detail: 'a web page asks (Origin), and none may send rows',
        remedy: 'send them without a browser',
      });
    }
    return anyone;
  },
};

const anyone: Caller = { name: 'anyone', requireSchema() {} };

/**
 * Asks for everything in the list: with two, one who shows only one of them
 * is not known, and a schema must be theirs by both.
 */
export function askCallers(
  ways: Readonly<Partial<Record<Authentication, Callers['identify']>>>,
): Callers {
  const asked = Object.values(ways);
  if (asked.length === 0) {
    throw new TypeError('nothing is asked of callers');
  }
  return {
    asksCertificate: ways.certificate !== undefined,
    challenge: ways.token === undefined ? null : 'Bearer',
    identify: asked.length === 1 ? asked[0]! : identifyByAll(asked),
  };
}

function identifyByAll(
  asked: readonly Callers['identify'][],
): Callers['identify'] {
  return async (request) => {
    const known: Caller[] = [];
    for (const identify of asked) {
      known.push(await identify(request));
    }
    return {
      name: known.map(({ name }) => name).join(', '),
      requireSchema(schema) {
        for (const caller of known) {
          caller.requireSchema(schema);
        }
      },
    };
  };
}
