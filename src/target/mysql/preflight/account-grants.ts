/** What the server says of the account of a connection, its active roles with it. */
import type { MysqlConnection } from '../session/driver.ts';
import { showGrantsStatement } from './grants.ts';
import { quotedAccount } from '../catalog/quoting.ts';

export interface Account {
  /** `replicator@%`. */
  readonly name: string;
  /** For readGrants. */
  readonly grantLines: readonly (string | null)[];
  /** Without those of roles, by which the server shows no triggers. */
  readonly ownGrantLines: readonly (string | null)[];
  /** In a grant on a database `_` and `%` are no patterns. */
  readonly hasLiteralNames: boolean;
}

export async function readAccount(
  connection: MysqlConnection,
): Promise<Account> {
  const { isMariadb } = connection.facts;
  const [account] = (
    await connection.query(
      `select current_user() as account, current_role() as role,
  ${isMariadb ? '0' : '@@partial_revokes'} as literal_names`,
    )
  ).rows;
  const linesOf = async (statement: string): Promise<(string | null)[]> =>
    (await connection.query(statement)).rows.flatMap((row) =>
      Object.values(row),
    );
  const grantLines = await linesOf(
    showGrantsStatement(account!['role'] ?? null, isMariadb),
  );
  return {
    name: account!['account']!,
    grantLines,
    // By its name, and not as the current one, MySQL lists it without its
    // roles; MariaDB lists those too, which have no host.
    ownGrantLines: (
      await linesOf(`show grants for ${quotedAccount(account!['account']!)}`)
    ).filter((line) => / TO `(?:[^`]|``)*`@`/.test(line ?? '')),
    hasLiteralNames: account!['literal_names'] === '1',
  };
}
