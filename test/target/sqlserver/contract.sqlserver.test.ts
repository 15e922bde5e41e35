import { describe } from 'vitest';
import { registerTargetContract } from '../../contract/target.ts';
import { hasServer, isBabelfish, sqlserverFixture } from './fixture.ts';

/** Cases of its own say what SQL Server does instead: rows.sqlserver.test.ts. */
const onSqlServer: Readonly<Record<string, string>> = {
  'a row with a unique reference that may not be null is written anew under another key, though its delete would cascade':
    'it does not know which rows nothing refers to, and deletes them last',
  'starts the numbers of an emptied table again where it is asked to':
    'identity counters are reseeded by hand, for that takes more than rights on the table',
  'swaps unique values between rows when deletes go first':
    'one update swaps them in any order',
  'swaps unique values that may not be null, where deleting a row has no other effect':
    'one update passes them on in any order',
};

const noDeleteFromNumberedRows = 'it deletes from no common table expression';

const onBabelfish: Readonly<Record<string, string>> = {
  'a row with a unique reference that may not be null is written anew under another key, though its delete would cascade':
    'it does not know which rows nothing refers to, and deletes them last',
  'unique references that may not be null go along a chain of rows, though their deletes would cascade':
    'it checks unique keys row by row',
  'values that rows refer to go along a chain of rows, though their deletes would cascade':
    'it checks unique keys row by row',
  'starts the numbers of an emptied table again where it is asked to':
    'identity counters are reseeded by hand, for that takes more than rights on the table',
  'gives rows with a key of several columns another one':
    'its OPENJSON hands out strings with their escapes',
  'deletes one of several equal rows for each that is given':
    noDeleteFromNumberedRows,
  'takes NULL for equal to NULL alone when it looks for a row without a key':
    noDeleteFromNumberedRows,
  'tells rows without a key apart by columns of any type, letter by letter':
    noDeleteFromNumberedRows,
  'many rows without a key cross, and go again': noDeleteFromNumberedRows,
  'applies a batch of emptied tables, moved keys and rows without a key':
    noDeleteFromNumberedRows,
  'any name of a table or a column is only a name':
    'its OPENJSON hands out strings with their escapes',
  'a row of 1 MiB and a batch of 10 000 rows cross':
    'its OPENJSON hands out strings with their escapes',
  'a table of 1000 columns, or as many as the engine allows, is a table':
    'its OPENJSON has 100 columns at most',
  'a column that is renamed in its case only is known by its new name':
    'it cannot rename so',
  'passes keys between rows in one call, in circles and beside them':
    'it checks unique keys row by row',
  'passes keys in a circle of which a row is missing':
    'it checks unique keys row by row',
  'passes keys of several columns in a circle':
    'it checks unique keys row by row',
  'applies rows at the target that swap their keys, and keeps what is not sent':
    'it checks unique keys row by row',
  'swaps unique values between rows when deletes go first':
    'it checks unique keys row by row',
  'swaps unique values that may not be null, where deleting a row has no other effect':
    'it checks unique keys row by row',
  'a statement whose table has changed asks for another look at the schema':
    'it has one error number for most errors',
  'without a table there are no dead letters; making it twice, or at once, is no matter':
    'it has one error number for most errors',
  'a dead-letter table of the peer is told what it lacks, and its rows are left alone':
    'it has one error number for most errors',
  'letters of any name of a table, and a dead-letter table of any name, are told apart':
    'it knows no name with a closing bracket',
  'letters that one transaction has locked another waits for, and for no others':
    'it passes over UPDLOCK',
};

describe.skipIf(!hasServer)(isBabelfish ? 'Babelfish' : 'SQL Server', () => {
  registerTargetContract(
    'SQL Server',
    sqlserverFixture,
    isBabelfish ? onBabelfish : onSqlServer,
  );
});
