/**
 * Addresses of databases. The input is lines: a scheme, a user, a password,
 * and what stands behind the `@`. They are put together twice:
 *
 *     as they are       the way people paste them: `/`, `?` and `#` in a
 *                       password. Whatever comes of it shows no part of it.
 *     percent-encoded   as they should be: each part comes back as it went in
 */
import assert from 'node:assert/strict';
import { parseMysqlAddress } from '../../../src/config/address/mysql.ts';
import { parseOracleAddress } from '../../../src/config/address/oracle.ts';
import { parsePostgresAddress } from '../../../src/config/address/postgres.ts';
import { parseSqlServerAddress } from '../../../src/config/address/sqlserver.ts';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

interface Parsed {
  readonly user: string | undefined;
  readonly password: unknown;
  readonly display: string;
}

const option = '--targetConn';

const parsers: Readonly<Record<string, (address: string) => Parsed>> = {
  postgresql: (address) => {
    const { config, display } = parsePostgresAddress(address, option);
    return { user: config.user, password: config.password, display };
  },
  mysql: (address) => parseMysqlAddress(address, option),
  sqlserver: (address) => parseSqlServerAddress(address, option),
  oracle: (address) => parseOracleAddress(address, option),
};
const schemes = Object.keys(parsers);

/** No part of any other line, so that where it shows, it has leaked. */
const marks = ['Xq7Zk', 'Wj4Vh'] as const;

export const target: FuzzTarget = {
  name: 'address',
  covers: ['/src/config/address/'],
  dictionary: [
    ...schemes,
    '\n',
    '://',
    '@',
    ':',
    '/',
    '?',
    '#',
    '&',
    '=',
    '%',
    '%40',
    '%00',
    '%ff',
    '[::1]',
    'db.example:5432/shop',
    '?sslmode=require',
    'sslmode=verify-full',
    'sslmode=disable',
    '&sslrootcert=system',
    'sslrootcert=/dev/null',
    'sslcert=/nowhere',
    'password=',
    'user=',
    'host=/run/postgresql',
    'connect_timeout=5',
    'replication=true',
    'babelfish=false',
    'options=-c%20x',
    '\xc3\xa9',
    '\\',
    '\t',
  ],
  check(input) {
    const [scheme = '', user = '', password = '', rest = ''] = input
      .toString('utf8')
      .split('\n');
    const parse = parsers[scheme] ?? parsers[schemes[scheme.length % 4]!]!;
    const name = Object.entries(parsers).find(([, one]) => one === parse)![0];
    if (marks.some((mark) => `${user}${rest}`.includes(mark))) {
      return 'mark';
    }
    // Parts of the password on both sides of whatever ends it too early.
    const pasted = `${name}://${user}:${marks[0]}${password}${marks[1]}@${rest}`;
    checkPasted(parse, pasted);
    // The beginning may be digits, which a port is made of.
    checkPasted(parse, `${name}://${user}:1${password}${marks[1]}@${rest}`);
    checkPasted(parse, `${name}://${user}:${password}${marks[1]}@${rest}`);
    return checkEncoded(parse, `${name}://`, user, password, rest);
  },
};

/** What became of an address, where the parsers say so. */
function outcomeOf(
  parse: (address: string) => Parsed,
  address: string,
): Parsed | ReplicatorError {
  try {
    return parse(address);
  } catch (error) {
    assert.ok(error instanceof ReplicatorError, String(error));
    assert.match(error.code, /^E500[257]$/);
    return error;
  }
}

function checkPasted(
  parse: (address: string) => Parsed,
  address: string,
): void {
  const outcome = outcomeOf(parse, address);
  const said =
    outcome instanceof ReplicatorError
      ? `${outcome.line} ${outcome.stack} ${String(outcome.cause)}`
      : outcome.display;
  for (const mark of marks) {
    assert.ok(
      !said.toLowerCase().includes(mark.toLowerCase()),
      `a part of the password shows: ${said.split('\n')[0]}`,
    );
  }
}

function checkEncoded(
  parse: (address: string) => Parsed,
  scheme: string,
  user: string,
  password: string,
  rest: string,
): string {
  const address = `${scheme}${encodeURIComponent(user)}:${encodeURIComponent(password)}@${rest}`;
  const outcome = outcomeOf(parse, address);
  if (outcome instanceof ReplicatorError) {
    return `${scheme} ${outcome.code} ${outcome.message.split(' ').slice(0, 4).join(' ')}`;
  }
  // PostgreSQL's may be said again as parameters, and more than one `@` or a
  // blank at the end of the whole make other parts of it.
  if (!/[?@\s]/.test(rest) && password !== '') {
    assert.equal(outcome.user ?? '', user);
    assert.equal(outcome.password, password);
  }
  return scheme;
}
