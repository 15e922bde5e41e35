import { defineConfig } from 'vitest/config';
import { ClosingLineReporter } from './test/support/closing-line-reporter.ts';
import { MissingServerReporter } from './test/support/missing-server-reporter.ts';

/** Only ends a hopeless wait: one of these machines takes five times as long as another. */
const hopelessMs = 300_000;

/**
 * One project per server that its tests need, by suffix:
 * `.test.ts` nothing, `.pg.test.ts` a PostgreSQL server, `.mysql.test.ts` a
 * MySQL and a MariaDB server, `.sqlserver.test.ts` a SQL Server and
 * `.oracle.test.ts` an Oracle, both of which may be missing.
 */
export default defineConfig({
  test: {
    // Two cores: more forks only make servers and fault tests fight for them.
    maxWorkers: 2,
    // A second, the default, is little on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    reporters: [
      'default',
      new MissingServerReporter(),
      new ClosingLineReporter(),
    ],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // A process for each file costs 80 of 230 seconds of processor time.
          // What these files change, as the clock, they change back.
          isolate: false,
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{pg,mysql,sqlserver,oracle}.test.ts'],
          testTimeout: hopelessMs,
        },
      },
      {
        extends: true,
        test: {
          name: 'pg',
          include: ['test/**/*.pg.test.ts'],
          globalSetup: ['test/support/postgres-setup.ts'],
          testTimeout: hopelessMs,
          hookTimeout: hopelessMs,
        },
      },
      {
        extends: true,
        test: {
          name: 'mysql',
          include: ['test/**/*.mysql.test.ts'],
          globalSetup: ['test/support/mysql-setup.ts'],
          testTimeout: hopelessMs,
          hookTimeout: hopelessMs,
        },
      },
      {
        extends: true,
        test: {
          name: 'sqlserver',
          include: ['test/**/*.sqlserver.test.ts'],
          globalSetup: ['test/support/sqlserver-setup.ts'],
          testTimeout: hopelessMs,
          hookTimeout: hopelessMs,
        },
      },
      {
        extends: true,
        test: {
          name: 'oracle',
          include: ['test/**/*.oracle.test.ts'],
          globalSetup: ['test/support/oracle-setup.ts'],
          testTimeout: hopelessMs,
          hookTimeout: hopelessMs,
        },
      },
    ],
  },
});
