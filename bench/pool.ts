import pg from 'pg';

/** A pool for `stack.use`. */
export type OwnedPool = pg.Pool & AsyncDisposable;

export function openPool(url: string, max: number): OwnedPool {
  const pool = new pg.Pool({ connectionString: url, max });
  // `end` resolves before its sessions are gone; the database they sit in may
  // then be dropped under them.
  pool.on('error', () => {});
  return Object.assign(pool, {
    [Symbol.asyncDispose]: () => pool.end(),
  });
}
