import { registerTypesContract } from '../../../contract/types.ts';
import { postgresTypes } from '../../../contract/types-postgres.ts';
import { postgresFixture } from '../fixture.ts';

registerTypesContract(postgresTypes, postgresFixture);
