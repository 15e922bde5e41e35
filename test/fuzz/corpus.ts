import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CorpusEntry {
  readonly file: string;
  readonly input: Buffer;
}

export function corpusFolder(name: string): string {
  return join(import.meta.dirname, 'corpus', name);
}

/** Inputs that were written by hand, found, or worth keeping. */
export function readCorpus(name: string): CorpusEntry[] {
  const folder = corpusFolder(name);
  return (existsSync(folder) ? readdirSync(folder) : [])
    .toSorted()
    .map((file) => ({ file, input: readFileSync(join(folder, file)) }));
}
