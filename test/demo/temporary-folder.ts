import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startUndertaker } from '../support/undertaker.ts';

/** Goes when it is disposed, or when this process ends in any way. */
export async function temporaryFolder(): Promise<
  { readonly path: string } & AsyncDisposable
> {
  const path = await mkdtemp(join(tmpdir(), 'replicator-demo-'));
  const undertaker = startUndertaker('rm -rf "$1"', [path]);
  return {
    path,
    [Symbol.asyncDispose]: () => undertaker[Symbol.asyncDispose](),
  };
}
