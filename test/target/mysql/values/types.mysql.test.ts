import { registerTypesContract } from '../../../contract/types.ts';
import { mariadbTypes, mysqlTypes } from '../../../contract/types-mysql.ts';
import { mysqlFixture } from '../fixture.ts';

registerTypesContract(mysqlTypes, () => mysqlFixture('mysql'));
registerTypesContract(mariadbTypes, () => mysqlFixture('mariadb'));
