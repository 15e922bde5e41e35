/** A statement whose parameters are bytes already. */
import pg from 'pg';
import type { BoundParameters } from '../values/parameters.ts';

/** What the pg package has and its declarations do not say. */
interface StatementConnection {
  readonly stream: { write(bytes: Buffer): void };
  readonly submittedNamedStatements: Record<string, string>;
  parse(statement: { readonly name: string; readonly text: string }): void;
}
interface StatementInternals {
  hasBeenParsed(connection: StatementConnection): boolean;
}

export interface ArrayStatementConfig {
  /** Under which the server keeps it prepared; '' does not. */
  readonly name: string;
  readonly text: string;
  readonly parameters: BoundParameters;
}

/**
 * The pg package takes bytes for values in binary form, and of texts it makes
 * copies. So Bind is written here; all else is as the package does it, which
 * calls `prepare` when it is the statement's turn to be sent.
 */
export class ArrayStatement extends pg.Query {
  readonly #config: ArrayStatementConfig;

  constructor(
    config: ArrayStatementConfig,
    ended: (error: Error | undefined, result: pg.QueryResult) => void,
  ) {
    const { name, text } = config;
    const query = { ...(name !== '' && { name }), text, queryMode: 'extended' };
    super(query, ended as () => void);
    this.#config = config;
  }

  prepare(connection: StatementConnection): void {
    const { name, text, parameters } = this.#config;
    const statement = this as unknown as StatementInternals;
    if (!statement.hasBeenParsed(connection)) {
      connection.parse({ name, text });
      if (name !== '') {
        connection.submittedNamedStatements[name] = text;
      }
    }
    const { stream } = connection;
    stream.write(bindHead(name, parameters));
    stream.write(parameters.bytes);
    stream.write(behindParameters);
  }
}

const bindCode = 0x42;
/** The message's own length, the count of formats and that of parameters. */
const fixedBytes = 8;

/**
 * The end of Bind, which asks for texts, Describe of the portal, Execute without
 * a limit, Sync.
 */
const behindParameters = Buffer.from(
  '\0\0D\0\0\0\x06P\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04',
  'latin1',
);
const endOfBind = 2;

/** All parameters are texts: no formats are given. */
function bindHead(name: string, { count, bytes }: BoundParameters): Buffer {
  const names = `\0${name}\0`;
  const head = Buffer.allocUnsafe(1 + names.length + fixedBytes);
  head[0] = bindCode;
  head.writeInt32BE(head.length - 1 + bytes.length + endOfBind, 1);
  head.write(names, 5, 'latin1');
  head.writeInt16BE(0, 5 + names.length);
  head.writeInt16BE(count, 7 + names.length);
  return head;
}
