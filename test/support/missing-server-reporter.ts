import type { Reporter, TestModule } from 'vitest/node';

/** The key under which a project's setup provides its server; empty: none. */
const serverKeys: Readonly<Record<string, { key: string; product: string }>> = {
  sqlserver: { key: 'sqlserverUrl', product: 'SQL Server' },
  oracle: { key: 'oracleUrl', product: 'Oracle' },
};

/** Says in one line how many tests a missing server has left out. */
export class MissingServerReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const [project, { key, product }] of Object.entries(serverKeys)) {
      const ofProject = modules.filter(
        (module) =>
          module.project.name === project &&
          (
            module.project.getProvidedContext() as unknown as Record<
              string,
              unknown
            >
          )[key] === '',
      );
      const count = ofProject.reduce(
        (sum, module) => sum + [...module.children.allTests('skipped')].length,
        0,
      );
      if (count > 0) {
        process.on('exit', () => {
          console.log(
            `${count} tests left out: there is no ${product} (set TEST_${project.toUpperCase()}_URL, or start a Docker engine)`,
          );
        });
      }
    }
  }
}
