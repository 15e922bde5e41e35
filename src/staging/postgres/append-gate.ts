/**
 * The gate of a target schema, between appending and resolving, which may go
 * on in several daemons:
 *
 *     append  ─ pass (many at once) ─ look at `resolved` ─ insert ─ commit
 *     resolve ─ close (alone) ─────── move `resolved` ──────────── commit
 *
 * So whoever passes sees every `resolved` that was recorded before, and none
 * is recorded before all who passed have committed: no entry turns up at or
 * below a time that was resolved without its daemon having seen that time.
 *
 * The gate is an advisory lock of the transaction, and not a lock on the
 * checkpoint's row: those who share a row's lock are not kept from joining
 * by one who waits to have it alone, so that under load a resolved timestamp
 * would wait for ever, and each of them would write the row's page.
 *
 * What a statement reads is as old as its snapshot, and one that waits for a
 * lock has its snapshot already. So the gate is taken by a statement of its own,
 * ahead in the same message and the same transaction; in READ COMMITTED each
 * statement has its own snapshot. The values of the second are bound before
 * the first runs: nobody holds a gate while megabytes are on their way.
 *
 * CockroachDB accepts such locks and locks nothing. There transactions are
 * SERIALIZABLE, and what was read is still true when they commit.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Tables } from './schema.ts';

export interface Gate {
  /** The number of the advisory lock. */
  readonly key: string;
  readonly isClosed: boolean;
}

/**
 * The gates of one statement: closed for schemas that it resolves, passed for
 * those that it appends to. All who take several take them in the same order.
 */
export type GatesOf = (
  passed: Iterable<SchemaName>,
  closed: Iterable<SchemaName>,
) => Gate[];

export function gatesOn(tables: Tables): GatesOf {
  const keys = new Map<SchemaName, string>();
  const keyOf = (schema: SchemaName): string => {
    const key = keys.get(schema) ?? gateKey(tables, schema);
    keys.set(schema, key);
    return key;
  };
  return (passed, closed) => {
    const isClosed = new Map<string, boolean>();
    for (const schema of passed) {
      isClosed.set(keyOf(schema), false);
    }
    for (const schema of closed) {
      isClosed.set(keyOf(schema), true);
    }
    return Array.from(isClosed, ([key, closes]) => ({
      key,
      isClosed: closes,
    })).toSorted((a, b) => (a.key < b.key ? -1 : 1));
  };
}

function gateKey(tables: Tables, schema: SchemaName): string {
  return createHash('sha256')
    .update(JSON.stringify(['replicator append', tables.log, schema]))
    .digest()
    .readBigInt64BE(0)
    .toString();
}

/**
 * Takes them in the order given, and answers no row: a lock is not null. Where
 * the session has lost its isolation (a pooler in transaction mode) what is
 * read behind the gate would be older than the gate: that name is no boolean.
 */
const takeGates = `select from unnest($1::int8[], $2::bool[]) as gate (key, is_closed)
  where case when current_setting('transaction_isolation') <> 'read committed'
      then current_setting('transaction_isolation')::bool
    when is_closed then pg_advisory_xact_lock(key) is null
    else pg_advisory_xact_lock_shared(key) is null end`;
const takeGatesName = 'replicator_gate';

/** What `pg` sends with, of which its types know a part. */
interface Wire {
  parse(message: { name: string; text: string }): void;
  bind(message: { statement: string; values: string[] }): void;
  close(message: { type: 'S'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
}

/** The members of `pg.Query` by which it makes its messages and hears answers. */
interface QueryOnWire extends pg.Query {
  _getRows(wire: Wire, rows: number): void;
  handleCommandComplete(message: unknown, wire: Wire): void;
}

const QueryOnWire = pg.Query as unknown as new (
  statement: pg.QueryConfig & { portal: string },
  callback: (error: Error | undefined, result: pg.QueryResult) => void,
) => QueryOnWire;

/** Connections that know the statement which takes gates. */
const prepared = new WeakSet<Wire>();

/** A statement that runs behind its gates. */
class GatedQuery extends QueryOnWire {
  readonly #gates: readonly Gate[];
  #areTaken = false;

  constructor(
    statement: pg.QueryConfig,
    gates: readonly Gate[],
    callback: (error: Error | undefined, result: pg.QueryResult) => void,
  ) {
    super({ ...statement, portal: 'gated' }, callback);
    this.#gates = gates;
  }

  /** Called when the statement is bound, to execute it. */
  override _getRows(wire: Wire, rows: number): void {
    if (!prepared.has(wire)) {
      // It may have been prepared and then have failed.
      wire.close({ type: 'S', name: takeGatesName });
      wire.parse({ name: takeGatesName, text: takeGates });
    }
    const keys = this.#gates.map(({ key }) => key);
    const closed = this.#gates.map(({ isClosed }) => isClosed);
    wire.bind({
      statement: takeGatesName,
      values: [`{${keys.join()}}`, `{${closed.join()}}`],
    });
    wire.execute({ portal: '', rows: 0 });
    super._getRows(wire, rows);
  }

  override handleCommandComplete(message: unknown, wire: Wire): void {
    if (this.#areTaken) {
      super.handleCommandComplete(message, wire);
    } else {
      this.#areTaken = true;
      prepared.add(wire);
    }
  }
}

/** Takes the gates, which the end of its transaction gives back, then runs the statement. */
export function runBehindGates<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statement: pg.QueryConfig,
  gates: readonly Gate[],
): Promise<pg.QueryResult<Row>> {
  return new Promise((resolve, reject) => {
    client.query(
      new GatedQuery(statement, gates, (error, result) => {
        if (error) {
          reject(error);
        } else {
          resolve(result as pg.QueryResult<Row>);
        }
      }),
    );
  });
}
