import { describe } from 'vitest';
import { registerTargetContract } from '../../contract/target.ts';
import { hasServer, isBabelfish, sqlserverFixture } from './fixture.ts';

/** Cases of its own say what SQL Server does instead: rows.sqlserver.test.ts. */
const onSqlServer: Readonly<Record<string, string>> = {
  'swaps unique values between rows when deletes go first':
    'one update swaps them in any order',
  'swaps unique values that may not be null, where deleting a row has no other effect':
    'one update passes them on in any order',
};

const onBabelfish: Readonly<Record<string, string>> = {
  'any name of a table or a column is only a name':
    'its OPENJSON hands out strings with their escapes',
  'a row of 1 MiB and a batch of 10 000 rows cross':
    'its OPENJSON hands out strings with their escapes',
  'a table of 1000 columns, or as many as the engine allows, is a table':
    'its OPENJSON has 100 columns at most',
  'a column that is renamed in its case only is known by its new name':
    'it cannot rename so',
  'swaps unique values between rows when deletes go first':
    'it checks unique keys row by row',
  'swaps unique values that may not be null, where deleting a row has no other effect':
    'it checks unique keys row by row',
  'a statement whose table has changed asks for another look at the schema':
    'it has one error number for most errors',
};

describe.skipIf(!hasServer)(isBabelfish ? 'Babelfish' : 'SQL Server', () => {
  registerTargetContract(
    'SQL Server',
    sqlserverFixture,
    isBabelfish ? onBabelfish : onSqlServer,
  );
});
