/** What the server says of the account of a connection, its active roles with it. */
import type { MysqlConnection } from './driver.ts';
import { showGrantsStatement } from './grants.ts';

export interface Account {
  /** `replicator@%`. */
  readonly name: string;
  /** For readGrants. */
  readonly grantLines: readonly (string | null)[];
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
  const { rows } = await connection.query(
    showGrantsStatement(account!['role'] ?? null, isMariadb),
  );
  return {
    name: account!['account']!,
    grantLines: rows.flatMap((row) => Object.values(row)),
    hasLiteralNames: account!['literal_names'] === '1',
  };
}
