import { expect, test } from 'vitest';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import { mysqlAccount } from '../../../support/granted-account.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../../../support/mysql-test-database.ts';

test.for(MYSQL_PRODUCTS)(
  'who may not see the triggers of a table at %s takes it for one that has some',
  async (product) => {
    await using stack = new AsyncDisposableStack();
    const database = await testMysqlDatabase(product);
    const schema = schemaName([database.name]);
    const account = stack.use(
      await mysqlAccount(database, { schemas: [schema] }),
    );
    stack.use(database);
    await database.sql(`
      create table plain (id bigint primary key);
      create table watched (id bigint primary key);
      create trigger note after delete on watched for each row set @x = 1`);
    await account.grant();
    const effects = async (): Promise<(boolean | undefined)[]> => {
      await using target = await openTarget({
        ...defaultTargetOptions,
        url: account.url,
      });
      const shape = await target.introspect(schema);
      return ['plain', 'watched'].map(
        (name) => shape!.tables.get(name)!.deleteHasEffects,
      );
    };
    expect(await effects()).toEqual([false, true]);
    for (const table of ['plain', 'watched']) {
      await database.sql(
        `revoke trigger on ${database.name}.${table} from ${account.name}`,
      );
    }
    expect(await effects()).toEqual([true, true]);
    // A role's right does not show them either.
    const role = `r${database.name.slice(4)}`;
    const active =
      product === 'mysql'
        ? `set default role ${role} to ${account.name}`
        : `set default role ${role} for ${account.name}`;
    await database.sql(`create role ${role};
      grant trigger on ${database.name}.* to ${role};
      grant ${role} to ${account.name}; ${active}`);
    stack.defer(() => database.sql(`drop role ${role}`));
    expect(await effects()).toEqual([true, true]);
  },
);
