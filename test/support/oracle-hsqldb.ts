/**
 * HSQLDB in its Oracle mode, where Java and Debian's libhsqldb-java are: it
 * runs our MERGE, and shows what it means. It is no Oracle: types and array
 * binds are not looked at there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

type Value = string | null;

export interface Hsqldb extends AsyncDisposable {
  /** Rows changed, or the rows of a query; rejects with HSQLDB's words. */
  run(
    statement: string,
    values?: readonly Value[],
  ): Promise<number | Value[][]>;
}

const jar = process.env['HSQLDB_JAR'] ?? '/usr/share/java/hsqldb.jar';
const program = fileURLToPath(new URL('oracle-hsqldb.java', import.meta.url));

/** Why there is none, or null. */
export function hsqldbMissing(): string | null {
  if (!existsSync(jar)) {
    return `there is no ${jar} (Debian: libhsqldb-java; or HSQLDB_JAR)`;
  }
  return spawnSync('javac', ['-version']).status === 0
    ? null
    : 'there is no JDK';
}

export function startHsqldb(): Hsqldb {
  const child = spawn('java', ['-cp', jar, program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting: PromiseWithResolvers<string>[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => waiting.shift()?.resolve(line));
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      for (const each of waiting.splice(0)) {
        each.reject(new Error('HSQLDB has ended'));
      }
      resolve();
    });
  });
  return {
    async run(statement, values = []) {
      const answer = Promise.withResolvers<string>();
      waiting.push(answer);
      child.stdin.write(`${[statement, ...values].map(encoded).join('\t')}\n`);
      return read(await answer.promise);
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}

function read(line: string): number | Value[][] {
  if (line.startsWith('count ')) {
    return Number(line.slice('count '.length));
  }
  if (!line.startsWith('rows')) {
    throw new Error(line);
  }
  return line
    .split('\t')
    .slice(1)
    .map((row) => row.split(',').map(decoded));
}

function encoded(value: Value): string {
  return value === null ? '-' : Buffer.from(value).toString('base64');
}

function decoded(field: string): Value {
  return field === '-' ? null : Buffer.from(field, 'base64').toString();
}
