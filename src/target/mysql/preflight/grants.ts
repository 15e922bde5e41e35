/** What SHOW GRANTS says of the account: on everything, on one database, on tables. */

export interface Grants {
  readonly global: ReadonlySet<string>;
  readonly database: ReadonlySet<string>;
  /** By table name. */
  readonly tables: ReadonlyMap<string, ReadonlySet<string>>;
}

const quotedName = '(\\*|`(?:[^`]|``)*`)';
const grantLine = new RegExp(
  `^GRANT ([\\s\\S]+?) ON (?:TABLE )?${quotedName}\\.${quotedName} TO `,
  'i',
);

/**
 * The statement whose lines {@link readGrants} reads, by what CURRENT_ROLE()
 * says: MySQL lists the privileges of roles only of those that are named, and
 * MariaDB always lists those of the role that is active.
 */
export function showGrantsStatement(
  currentRole: string | null,
  isMariadb: boolean,
): string {
  return isMariadb || currentRole === null || currentRole === 'NONE'
    ? 'show grants'
    : `show grants for current_user() using ${currentRole}`;
}

/** Roles that are not active at login count for nothing. */
export function readGrants(
  lines: readonly (string | null)[],
  database: string,
): Grants {
  const global = new Set<string>();
  const onDatabase = new Set<string>();
  const tables = new Map<string, Set<string>>();
  for (const line of lines) {
    const match = grantLine.exec(line ?? '');
    if (!match) {
      // `GRANT role TO account`.
      continue;
    }
    const privileges = privilegesIn(match[1]!);
    const schema = unquoted(match[2]!);
    const object = unquoted(match[3]!);
    const into =
      match[2] === '*'
        ? global
        : match[3] === '*'
          ? matchesPattern(schema, database)
            ? onDatabase
            : null
          : schema === database
            ? tablePrivileges(tables, object)
            : null;
    for (const privilege of into === null ? [] : privileges) {
      into!.add(privilege);
    }
  }
  return { global, database: onDatabase, tables };
}

/** Those of the privileges that the account has not; `table` null: on the database. */
export function lackingPrivileges(
  { global, database, tables }: Grants,
  table: string | null,
  privileges: readonly string[],
): string[] {
  const held = [
    global,
    database,
    ...(table === null ? [] : [tables.get(table) ?? new Set<string>()]),
  ];
  return privileges.filter(
    (privilege) =>
      !held.some((some) => some.has(privilege) || some.has('ALL PRIVILEGES')),
  );
}

function tablePrivileges(
  tables: Map<string, Set<string>>,
  name: string,
): Set<string> {
  const known = tables.get(name) ?? new Set<string>();
  tables.set(name, known);
  return known;
}

/** `SELECT, INSERT (a, b)`: a right on some columns is none on the table. */
function privilegesIn(list: string): string[] {
  return list
    .replace(/(\w[\w ]*)\((?:`(?:[^`]|``)*`|[^)`])*\)/g, '')
    .split(',')
    .map((privilege) => privilege.trim().toUpperCase())
    .filter((privilege) => privilege !== '');
}

function unquoted(name: string): string {
  return name.replace(/^`([\s\S]*)`$/, '$1').replaceAll('``', '`');
}

/** Names of databases in grants are patterns of LIKE. */
function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replace(
    /\\([_%\\])|([%_])|([.*+?^${}()|[\]\\])/g,
    (_, escaped?: string, wild?: string, special?: string) =>
      escaped !== undefined
        ? escaped.replace(/[\\%_]/, '\\$&').replace(/\\([_%])/, '$1')
        : wild === '%'
          ? '.*'
          : wild === '_'
            ? '.'
            : `\\${special}`,
  );
  return new RegExp(`^${source}$`, 's').test(name);
}
