/**
 * The keys of the rows of one request. A key array is in the order of the
 * source: where that is not known yet for a table, a row that does not name its
 * key columns, as a delete, waits until all have been seen, for any other row
 * of the table may tell.
 */
import { skipValue } from '../../../mutation/json-text.ts';
import type { JsonText, Mutation } from '../../../mutation/mutation.ts';
import type { TableShape } from '../../../target/target.ts';
import type { RowLayout, RowScan } from './columns.ts';
import type { DecodeContext } from './decode-context.ts';
import type { Envelope } from './envelope.ts';
import { declaredOrder, keyText, objectKey, sourceKey } from './row-key.ts';
import { refuseUnstorableKey } from './storable.ts';

/** Of a row that does not name its key columns, which cannot be ordered before all rows are seen. */
interface UnorderedKey {
  readonly table: TableShape;
  readonly mutations: Mutation[];
  readonly index: number;
  readonly source: readonly JsonText[];
}

export class RequestKeys {
  readonly #context: DecodeContext;
  readonly #envelope: Envelope;
  readonly #scan: RowScan;
  /** Whether any value of the request may spell what cannot be stored. */
  readonly #isSuspect: boolean;
  readonly #unorderedKeys: UnorderedKey[] = [];

  /** `envelope` and `scan` are those of the row that is being decoded. */
  constructor(
    context: DecodeContext,
    envelope: Envelope,
    scan: RowScan,
    isSuspect: boolean,
  ) {
    this.#context = context;
    this.#envelope = envelope;
    this.#scan = scan;
    this.#isSuspect = isSuspect;
  }

  /** Nothing but the one column and the array need be looked at. */
  mayBePlain({ table }: RowLayout): boolean {
    return (
      table.primaryKey.length === 1 &&
      this.#envelope.sourceStart < 0 &&
      !this.#isSuspect &&
      !this.#isQueryPath
    );
  }

  /**
   * The canonical key; null where the row carries none; '' for the
   * next of `mutations` that gets its key from `arrangeLate`.
   */
  read(
    text: string,
    layout: RowLayout,
    byName: JsonText[] | null,
    mutations: Mutation[],
  ): JsonText | null {
    const { table } = layout;
    const { keyOrders } = this.#context;
    const { keyStart, keyEnd, sourceStart } = this.#envelope;
    let named = byName;
    let source: JsonText[] | null = null;
    if (keyStart >= 0 && !(named !== null && this.#isQueryPath)) {
      const first = text.charCodeAt(keyStart);
      const key = text.slice(keyStart, keyEnd) as JsonText;
      if (first === 0x5b) {
        source = sourceKey(table, key);
      } else if (first === 0x7b) {
        named = objectKey(this.#scan, layout, key, named);
      } else if (first !== 0x6e || named === null) {
        return null;
      }
    }
    const elements = named ?? source;
    if (elements === null) {
      return null;
    }
    if (this.#isSuspect) {
      refuseUnstorableKey(table, keyText(elements), this.#context.takesNul);
    }
    if (source !== null && sourceStart >= 0 && !keyOrders.isProven(table)) {
      this.#declareOrder(table, text);
    }
    if (named !== null) {
      if (source !== null && !(named.length === 1 && named[0] === source[0])) {
        keyOrders.observe(table, source, named);
      }
      return keyText(named);
    }
    if (keyOrders.isProven(table)) {
      return keyText(keyOrders.arrange(table, elements));
    }
    this.#unorderedKeys.push({
      table,
      mutations,
      index: mutations.length,
      source: elements,
    });
    return '' as JsonText;
  }

  /** Called when all rows are seen. */
  arrangeLate(): void {
    for (const unordered of this.#unorderedKeys) {
      const { table, mutations, index, source } = unordered;
      const key = this.#context.keyOrders.arrange(table, source);
      mutations[index] = { ...mutations[index]!, key: keyText(key) };
    }
  }

  #declareOrder(table: TableShape, text: string): void {
    const { sourceStart } = this.#envelope;
    const positions = declaredOrder(
      table,
      text.slice(sourceStart, skipValue(text, sourceStart)) as JsonText,
    );
    if (positions !== null) {
      this.#context.keyOrders.declare(table, positions);
    }
  }

  /**
   * The columns that a CDC query selects make up the key by themselves: the
   * key array may be longer, for a hash-sharded or regional table.
   */
  get #isQueryPath(): boolean {
    return this.#context.table !== null;
  }
}
