import { describe } from 'vitest';
import { registerTypesContract } from '../../../contract/types.ts';
import { sqlserverTypes } from '../../../contract/types-sqlserver.ts';
import { hasServer, isBabelfish, sqlserverFixture } from '../fixture.ts';

// Babelfish has types of its own below the names: values.sqlserver.test.ts.
describe.skipIf(!hasServer || isBabelfish)('SQL Server', () => {
  registerTypesContract(sqlserverTypes, sqlserverFixture);
});
