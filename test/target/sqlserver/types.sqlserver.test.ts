import { describe } from 'vitest';
import { registerTypesContract } from '../../contract/types.ts';
import { sqlserverTypes } from '../../contract/types-sqlserver.ts';
import { hasServer, sqlserverFixture } from './fixture.ts';

describe.skipIf(!hasServer)('SQL Server', () => {
  registerTypesContract(sqlserverTypes, sqlserverFixture);
});
