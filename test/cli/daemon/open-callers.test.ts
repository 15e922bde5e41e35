import type { Socket } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import {
  openCallers,
  operatorDiagnostics,
  webhookDiagnostics,
} from '../../../src/cli/daemon/open-callers.ts';
import { defaultValues } from '../../../src/config/load.ts';
import { parseListenAddress } from '../../../src/config/listen-address.ts';
import { startOptions, type StartValues } from '../../../src/config/options.ts';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import type { CallerRequest } from '../../../src/source/changefeed/callers/callers.ts';
import { TokenVerifier } from '../../../src/source/changefeed/callers/token-verifier.ts';
import { readVerifyingKey } from '../../../src/source/changefeed/callers/verifying-key.ts';
import type { TargetEngine } from '../../../src/target/target.ts';
import type { Logger } from '../../../src/telemetry/logger.ts';
import {
  claimsFor,
  ecKey,
  signed,
  type TestKey,
} from '../../support/tokens.ts';

let key: TestKey;
let diag: string;
let feed: string;
beforeAll(async () => {
  key = ecKey();
  diag = await signed(key, claimsFor([['_', 'diag']]));
  feed = await signed(key, claimsFor([['shop', 'public'], ['SHOP']]));
});

function tokens(): TokenVerifier {
  return new TokenVerifier({
    keys: [readVerifyingKey(key.id, key.publicPem)],
    revokedIds: new Set(),
    audience: null,
  });
}

const base: StartValues = defaultValues(startOptions);
const cleartext = {} as Socket;

function requestWith(token: string | null): CallerRequest {
  return {
    headers: {
      host: 'localhost:30005',
      ...(token !== null && { authorization: `Bearer ${token}` }),
    },
    socket: cleartext,
    accessToken: null,
  };
}

async function outcome(asked: Promise<unknown>): Promise<string> {
  return await asked.then(
    () => 'in',
    (error: unknown) => {
      expect(error).toBeInstanceOf(ReplicatorError);
      return (error as ReplicatorError).code;
    },
  );
}

/** For nobody, a token for a schema of the target, one for /_/diag. */
type Outcomes = readonly [string, string, string];
const closed: Outcomes = ['E1024', 'E1024', 'in'];
const open: Outcomes = ['in', 'in', 'in'];

test.each<[Partial<StartValues>, string, Outcomes, Outcomes]>([
  [{}, ':26258', closed, closed],
  [{}, '127.0.0.1:26258', closed, closed],
  [{ tlsClientCA: 'ca.pem' }, ':26258', closed, closed],
  // A token alone is not what callers are asked for there.
  [
    { tlsClientCA: 'ca.pem', authentication: 'both' },
    ':26258',
    ['E1024', 'E1024', 'E1024'],
    closed,
  ],
  [{ disableAuthentication: true }, ':26258', closed, closed],
  [{ disableAuthentication: true }, '10.0.0.1:1', closed, closed],
  [{ disableAuthentication: true }, '127.0.0.1:26258', open, open],
  [{ disableAuthentication: true }, '[::1]:26258', open, open],
])(
  'with %j on %s /_/diag is shown to whom it should be',
  async (changed, address, onWebhook, onOperator) => {
    const values = { ...base, ...changed };
    const bind = parseListenAddress(address, 'bindAddr');
    const callers = openCallers(values, {
      tokens: tokens(),
      engine: 'postgres',
      logger: {} as Logger,
    });
    for (const [index, token] of [null, feed, diag].entries()) {
      expect(
        await outcome(
          webhookDiagnostics(
            values,
            bind,
            callers,
            tokens(),
          )(requestWith(token)),
        ),
      ).toBe(onWebhook[index]);
      expect(
        await outcome(
          operatorDiagnostics(values, bind, tokens())(requestWith(token)),
        ),
      ).toBe(onOperator[index]);
    }
  },
);

test.each<[Record<string, string>, string]>([
  [{ host: '127.0.0.1:30005' }, 'in'],
  [{ host: '[::1]:30005' }, 'in'],
  [{ host: 'localhost' }, 'in'],
  [{ ':authority': 'localhost:30005' }, 'in'],
  // A page of a site whose name leads to 127.0.0.1.
  [{ host: 'rebound.example.com:30005' }, 'E1024'],
  [{ host: '127.0.0.1.example.com' }, 'E1024'],
  [{ host: 'localhost@example.com' }, 'E1024'],
  [{ ':authority': 'example.com', host: 'localhost' }, 'E1024'],
  [{}, 'E1024'],
  [{ host: 'localhost', origin: 'https://example.com' }, 'E1024'],
  [{ host: 'localhost', origin: 'null' }, 'E1024'],
])(
  'with --disableAuthentication on a loopback address a request with %j is %s for /_/diag',
  async (headers, expected) => {
    const guard = operatorDiagnostics(
      { disableAuthentication: true },
      { host: '127.0.0.1', port: 30_005 },
      tokens(),
    );
    const request = { headers, socket: cleartext, accessToken: null };
    expect(await outcome(guard(request))).toBe(expected);
  },
);

test('where the keys cannot be read /_/diag answers 503, and is not shown', async () => {
  const guard = operatorDiagnostics(
    base,
    { host: '127.0.0.1', port: 1 },
    {
      verify: async () => {
        throw new ReplicatorError('E5017');
      },
    },
  );
  expect(await outcome(guard(requestWith(diag)))).toBe('E5017');
});

test.each<[TargetEngine, string[], boolean]>([
  ['postgres', ['shop', 'public'], true],
  ['postgres', ['SHOP', 'public'], false],
  ['mysql', ['SHOP'], true],
  ['mysql', ['shop'], false],
  ['sqlserver', ['Shop', 'public'], false],
  // As SQL reads them there.
  ['oracle', ['shop'], true],
  ['oracle', ['"SHOP"'], true],
  ['oracle', ['"shop"'], false],
])(
  'on %s a token for shop.public and SHOP lets in to %j: %s',
  async (engine, schema, allowed) => {
    const callers = openCallers(base, {
      tokens: tokens(),
      engine,
      logger: {} as Logger,
    });
    const caller = await callers.identify(requestWith(feed));
    expect(caller.name).toBe('token "token-1"');
    const ask = (): void => caller.requireSchema(schema);
    if (allowed) {
      expect(ask).not.toThrow();
    } else {
      expect(ask).toThrow(/not for the schema/);
    }
  },
);
