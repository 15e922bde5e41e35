/**
 * Servers of the MySQL family from Debian, kept in a cache folder that
 * outlives the run, each with a pristine data folder to copy.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { unpackDebianPackage } from './mysql-packages.ts';
import { serverUser } from './postgres-binaries.ts';
import { cacheFolder } from './server-cache.ts';
import { startUndertaker } from './undertaker.ts';

export type MysqlProduct = 'mariadb' | 'mysql';

export const MYSQL_USER = 'admin';
export const MYSQL_PASSWORD = 'test-password';

/** Counted up when what {@link installMysql} makes changes. */
const RECIPE = 1;

const PRODUCTS = {
  mariadb: {
    packageName: 'mariadb-server-core',
    suite: process.env['TEST_MARIADB_SUITE'] ?? 'bookworm',
    remedy: 'TEST_MARIADB_URL=mariadb://user:password@host:3306/',
    server: 'mariadbd',
  },
  mysql: {
    packageName: 'mysql-server-core',
    // The only suite that has it.
    suite: process.env['TEST_MYSQL_SUITE'] ?? 'sid',
    remedy: 'TEST_MYSQL_URL=mysql://user:password@host:3306/',
    server: 'mysqld',
  },
} as const;

export interface MysqlInstallation {
  readonly product: MysqlProduct;
  /** `10.11.18` */
  readonly version: string;
  /** The C library's loader: the packages need not fit this machine's. */
  readonly command: string;
  /** What every call of the server begins with. */
  readonly parameters: readonly string[];
  /** A data folder with the user admin, to be copied by serverUser. */
  readonly pristineData: string;
}

const located = new Map<string, Promise<MysqlInstallation>>();

/**
 * The product's server from the cache, fetched from Debian where it is not
 * there yet. Safe in several processes at once: the last step is a rename.
 */
export function mysqlInstallation(
  product: MysqlProduct,
  suite: string = PRODUCTS[product].suite,
): Promise<MysqlInstallation> {
  const key = `${product}-${suite}`;
  let found = located.get(key);
  if (found === undefined) {
    found = locate(product, suite);
    located.set(key, found);
  }
  return found;
}

async function locate(
  product: MysqlProduct,
  suite: string,
): Promise<MysqlInstallation> {
  const cache = await cacheFolder();
  // The owner of the data folder is part of the name: nobody else can copy it.
  const owner = serverUser.uid ?? process.getuid?.() ?? 0;
  const folder = join(cache, `${product}-${suite}-${owner}-${RECIPE}`);
  if (!existsSync(folder)) await install(product, suite, folder);
  return await describe(product, folder);
}

async function install(
  product: MysqlProduct,
  suite: string,
  folder: string,
): Promise<void> {
  const { packageName, remedy } = PRODUCTS[product];
  const draft = await mkdtemp(`${folder}-draft-`);
  await using _ = startUndertaker('rm -rf "$1"', [draft]);
  await chmod(draft, 0o755);
  try {
    const version = await unpackDebianPackage({ suite, packageName }, draft);
    await writeFile(join(draft, 'version'), version);
    const data = join(draft, 'data');
    await mkdir(data);
    await chmod(data, 0o750);
    if (serverUser.uid !== undefined && serverUser.gid !== undefined) {
      await chown(data, serverUser.uid, serverUser.gid);
    }
    await initialiseMysqlData(await describe(product, draft), data);
  } catch (error) {
    throw new Error(
      `No ${product} server for the tests. It comes from Debian by apt-get; where that cannot be, name a server of your own by ${remedy}, with a user who may do everything.\n${(error as Error).message}`,
      { cause: error },
    );
  }
  try {
    // Atomic: whoever sees the final name sees a whole server.
    await rename(draft, folder);
  } catch (error) {
    // Another process was first.
    if (!existsSync(folder)) throw error;
  }
}

async function describe(
  product: MysqlProduct,
  folder: string,
): Promise<MysqlInstallation> {
  const libraries: string[] = [];
  let command: string | undefined;
  for (const base of [join(folder, 'lib'), join(folder, 'usr', 'lib')]) {
    for (const name of existsSync(base) ? await readdir(base) : []) {
      if (!name.endsWith('-linux-gnu')) continue;
      const path = join(base, name);
      libraries.push(path);
      const loader = (await readdir(path)).find((file) =>
        /^ld-linux.*\.so\.\d+$/.test(file),
      );
      if (loader !== undefined) command = join(path, loader);
    }
  }
  if (command === undefined) throw new Error(`No loader in ${folder}`);
  const usr = join(folder, 'usr');
  return {
    product,
    version: await readFile(join(folder, 'version'), 'utf8'),
    command,
    parameters: [
      '--library-path',
      libraries.join(':'),
      join(usr, 'sbin', PRODUCTS[product].server),
      '--no-defaults',
      `--basedir=${usr}`,
      `--lc-messages-dir=${shareFolder(folder)}`,
      `--character-sets-dir=${join(shareFolder(folder), 'charsets')}`,
    ],
    pristineData: join(folder, 'data'),
  };
}

function shareFolder(folder: string): string {
  const share = ['mysql', 'mariadb']
    .map((name) => join(folder, 'usr', 'share', name))
    .find((path) => existsSync(join(path, 'english', 'errmsg.sys')));
  if (share === undefined) throw new Error(`No messages in ${folder}`);
  return share;
}

/** Of every process of a server: nothing of the machine's own libraries. */
export const mysqlEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/bin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
  OPENSSL_CONF: '/dev/null',
};

/**
 * Fills an empty data folder that belongs to serverUser: the system tables,
 * and of users that can come over TCP only admin, with the product's default
 * authentication.
 */
export async function initialiseMysqlData(
  installation: MysqlInstallation,
  dataDir: string,
  settings: readonly string[] = [],
): Promise<void> {
  const { product, command, parameters } = installation;
  const admin = [
    `create user '${MYSQL_USER}'@'%' identified by '${MYSQL_PASSWORD}';`,
    `grant all on *.* to '${MYSQL_USER}'@'%' with grant option;`,
  ];
  const common = [
    `--datadir=${dataDir}`,
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-doublewrite=0',
    '--innodb-use-native-aio=0',
    '--performance-schema=0',
    ...settings,
  ];
  const initFile = join(dirname(dataDir), 'initialise.sql');
  const call =
    product === 'mysql'
      ? {
          sql: admin,
          own: [
            '--initialize-insecure',
            `--init-file=${initFile}`,
            '--innodb-redo-log-capacity=64M',
            '--innodb-flush-method=nosync',
            '--secure-file-priv=NULL',
            '--auto-generate-certs=0',
          ],
        }
      : {
          sql: [
            ...(await mariadbSystemTables(installation)),
            'flush privileges;',
            ...admin,
          ],
          own: [
            '--bootstrap',
            '--silent-startup',
            '--log-warnings=0',
            '--enforce-storage-engine=',
            '--max-allowed-packet=8M',
            '--innodb-log-file-size=64M',
          ],
        };
  const sql = `${call.sql.join('\n')}\n`;
  await writeFile(initFile, sql);
  await chmod(initFile, 0o644);
  try {
    const done = promisify(execFile)(
      command,
      [...parameters, ...common, ...call.own],
      {
        ...serverUser,
        cwd: dataDir,
        env: mysqlEnvironment,
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    // --bootstrap reads it from here.
    done.child.stdin?.on('error', () => {});
    done.child.stdin?.end(product === 'mysql' ? '' : sql);
    await done;
  } finally {
    await rm(initFile, { force: true });
  }
}

/** What mariadb-install-db feeds to a server, without users of its own. */
async function mariadbSystemTables(
  installation: MysqlInstallation,
): Promise<string[]> {
  const share = shareFolder(dirname(installation.pristineData));
  const files = await readdir(share);
  // The bootstrap reader takes a statement per line, or a delimiter's.
  const sql = [
    'create database mysql;',
    'use mysql;',
    'set @auth_root_socket=null;',
  ];
  for (const name of [
    'system_tables.sql',
    'performance_tables.sql',
    'system_tables_data.sql',
    'add_gis_sp_bootstrap.sql',
    'sys_schema.sql',
  ]) {
    const file = files.find((found) =>
      new RegExp(`^(mysql|mariadb|maria)_${name}$`).test(found),
    );
    if (file === undefined) throw new Error(`No ${name} in ${share}`);
    sql.push(await readFile(join(share, file), 'utf8'));
  }
  sql.push("delete from mysql.global_priv where user in ('', 'root');");
  sql.push('delete from mysql.proxies_priv;');
  return sql;
}
