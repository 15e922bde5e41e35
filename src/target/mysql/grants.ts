/** What SHOW GRANTS says of the account: on everything, on one database, on tables. */

export interface Grants {
  readonly global: ReadonlySet<string>;
  readonly database: ReadonlySet<string>;
  /** By table name. */
  readonly tables: ReadonlyMap<string, ReadonlySet<string>>;
}

const grantLine = /^GRANT (.+?) ON (?:TABLE )?(.+?)\.(.+?) TO /i;

/** Null where privileges come from roles, whose own lines are not here. */
export function readGrants(
  lines: readonly (string | null)[],
  database: string,
): Grants | null {
  const global = new Set<string>();
  const onDatabase = new Set<string>();
  const tables = new Map<string, Set<string>>();
  let hasRoles = false;
  for (const line of lines) {
    const match = grantLine.exec(line ?? '');
    if (!match) {
      // `GRANT role TO account`: of a role's own grants nothing is said.
      hasRoles ||= /^GRANT /i.test(line ?? '');
      continue;
    }
    const privileges = privilegesIn(match[1]!);
    const schema = unquoted(match[2]!);
    const object = unquoted(match[3]!);
    const into =
      schema === '*'
        ? global
        : !matchesPattern(schema, database)
          ? null
          : object === '*'
            ? onDatabase
            : tablePrivileges(tables, object);
    for (const privilege of into === null ? [] : privileges) {
      into!.add(privilege);
    }
  }
  return hasRoles && global.size <= 1 && onDatabase.size === 0
    ? null
    : { global, database: onDatabase, tables };
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
    .replace(/(\w[\w ]*)\([^)]*\)/g, '')
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
