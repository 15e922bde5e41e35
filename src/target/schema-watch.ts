/**
 * The target's tables as they are now: read at the start, read again
 * periodically and whenever somebody finds that they have changed.
 */
import { ReplicatorError } from '../failure/failure.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import type { SchemaShape, TableShape, Target } from './target.ts';

export interface SchemaWatchOptions {
  /** `--schemaRefresh`; 0 = only when asked. */
  readonly refreshMs: number;
  /** What was known before a restart, for a target that is down at the start. */
  readonly initial?: SchemaShape | null;
  readonly signal: AbortSignal;
  /** Called with every shape that differs from the one before. */
  readonly onChange?: (shape: SchemaShape) => void;
  /** A periodic look that failed; the shape stays as it was. */
  readonly onError?: (error: unknown) => void;
}

export interface SchemaWatch extends AsyncDisposable {
  /** As last read; null until the schema was found for the first time. */
  readonly current: SchemaShape | null;
  /**
   * Reads the catalog. Whoever asks while a look is under way gets the answer
   * of the *next* one, which all who wait share: the one under way may have
   * begun before the change that made them ask.
   */
  refresh(): Promise<SchemaShape>;
}

/**
 * Starts watching; looks nothing up by itself before `refreshMs` is over. The
 * watch ends with the signal or when disposed.
 */
export function watchSchema(
  target: Target,
  schema: SchemaName,
  options: SchemaWatchOptions,
): SchemaWatch {
  const { refreshMs, signal, onChange, onError } = options;
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  let current = options.initial ?? null;
  let running: Promise<SchemaShape> | null = null;
  let queued: Promise<SchemaShape> | null = null;

  async function look(): Promise<SchemaShape> {
    both.throwIfAborted();
    const shape = await target.introspect(schema, both);
    if (!shape) {
      throw new ReplicatorError('E4012', {
        detail: `the schema ${schema} is not at the target`,
        remedy: 'create it, or correct the path of the webhook',
      });
    }
    if (!current || !isSameShape(current, shape)) {
      current = shape;
      onChange?.(shape);
    }
    return current;
  }

  function start(): Promise<SchemaShape> {
    running = look().finally(() => {
      running = null;
    });
    return running;
  }

  function refresh(): Promise<SchemaShape> {
    if (!running) {
      return start();
    }
    queued ??= running
      .catch(() => {})
      .then(() => {
        queued = null;
        return start();
      });
    return queued;
  }

  const timer =
    refreshMs > 0
      ? setInterval(() => {
          if (!running) {
            start().catch((error: unknown) => {
              if (!both.aborted) {
                onError?.(error);
              }
            });
          }
        }, refreshMs)
      : undefined;
  timer?.unref();
  both.addEventListener('abort', () => clearInterval(timer), { once: true });

  return {
    get current() {
      return current;
    },
    refresh,
    async [Symbol.asyncDispose]() {
      ended.abort();
      await Promise.allSettled([running, queued]);
    },
  };
}

/** Table by table: fingerprints cover everything that a shape tells. */
function isSameShape(a: SchemaShape, b: SchemaShape): boolean {
  return (
    a.name === b.name &&
    a.tables.size === b.tables.size &&
    [...a.tables].every(
      ([key, table]) => b.tables.get(key)?.fingerprint === table.fingerprint,
    )
  );
}

/** For the memo in staging that lets a daemon start while its target is down. */
export function shapeToJson(shape: SchemaShape): string {
  return JSON.stringify({
    format: shapeFormat,
    name: shape.name,
    tables: [...shape.tables].map(([key, table]) => ({
      ...table,
      key,
      columnByName: undefined,
      primaryKey: table.primaryKey.map(({ name }) => name),
    })),
  });
}

/** Raised when the meaning of a stored shape changes; older ones are not read. */
const shapeFormat = 3;

/** Null where the text is not a shape of this version: look at the target then. */
export function shapeFromJson(text: string): SchemaShape | null {
  let stored: StoredShape;
  try {
    stored = JSON.parse(text) as StoredShape;
  } catch {
    return null;
  }
  if (stored?.format !== shapeFormat) {
    return null;
  }
  const tables = stored.tables.map(
    ({ key, ...table }): [string, TableShape] => {
      const columnByName = new Map(
        table.columns.map((column) => [column.name, column]),
      );
      return [
        key,
        {
          ...table,
          columnByName,
          primaryKey: table.primaryKey.map((name) => columnByName.get(name)!),
        },
      ];
    },
  );
  return { name: stored.name, tables: new Map(tables) };
}

interface StoredShape {
  readonly format: number;
  readonly name: SchemaName;
  readonly tables: readonly (Omit<TableShape, 'columnByName' | 'primaryKey'> & {
    /** Of the map; another than the name where schemas are joined. */
    readonly key: string;
    readonly primaryKey: readonly string[];
  })[];
}
