import { registerTargetContract } from '../../contract/target.ts';
import { postgresFixture } from './fixture.ts';

registerTargetContract('PostgreSQL', () => postgresFixture({ granted: true }));
