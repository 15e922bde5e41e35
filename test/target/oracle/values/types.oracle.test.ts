import { describe } from 'vitest';
import { registerTypesContract } from '../../../contract/types.ts';
import { oracleTypes } from '../../../contract/types-oracle.ts';
import { hasServer, oracleFixture } from '../fixture.ts';

describe.skipIf(!hasServer)('Oracle', () => {
  registerTypesContract(oracleTypes, async () => {
    const fixture = await oracleFixture();
    const { database } = fixture;
    return {
      ...fixture,
      // Names fold to upper case here, as they do for everybody.
      async sql(text) {
        await database.query(text);
      },
      rows: (text) => database.query(text),
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    };
  });
});
