import { describe } from 'vitest';
import { registerTargetContract } from '../../contract/target.ts';
import { hasServer, isBabelfish, sqlserverFixture } from './fixture.ts';

const onBabelfish: Readonly<Record<string, string>> = {};

describe.skipIf(!hasServer)(isBabelfish ? 'Babelfish' : 'SQL Server', () => {
  registerTargetContract(
    'SQL Server',
    sqlserverFixture,
    isBabelfish ? onBabelfish : {},
  );
});
