import { registerTargetContract } from '../../contract/target.ts';
import { MYSQL_PRODUCTS } from '../../support/mysql-test-database.ts';
import { mysqlFixture } from './fixture.ts';

const notFixed =
  'AUTO_INCREMENT columns are keys and may be updated like any other';
const unsupported = {
  'changes an identity column that is not the key, and keeps what the row does not carry':
    notFixed,
  'refuses to change an identity column when the children of the row would go with it':
    notFixed,
  'starts the numbers of an emptied table again where it is asked to':
    'setting AUTO_INCREMENT commits',
};

for (const product of MYSQL_PRODUCTS) {
  registerTargetContract(
    product,
    () => mysqlFixture(product, { granted: true }),
    unsupported,
  );
  registerTargetContract(
    `${product}, all through LOAD DATA`,
    () => mysqlFixture(product, { fewRows: 0, granted: true }),
    unsupported,
  );
  registerTargetContract(
    `${product}, all as parameters`,
    () => mysqlFixture(product, { fewRows: Infinity, granted: true }),
    unsupported,
  );
}
