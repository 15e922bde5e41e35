/** Which rows are alike, and so need not be understood anew (row-template.ts). */
import { areSameBytes } from '../../../lib/byte-view.ts';
import type { SchemaShape } from '../../../target/target.ts';
import { skipBlank } from '../../../mutation/json-text.ts';
import { type RowLayout, rowLayout, type RowScan } from './columns.ts';
import type { Envelope } from './envelope.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import {
  isPlainValue,
  learnTemplate,
  readByTemplate,
  type RowTemplate,
} from './row-template.ts';
import { knownTopic } from './topic.ts';

/** Kept from request to request: upserts, deletes, and some more. */
const templatesOf = new WeakMap<RowLayout, RowTemplate[]>();
const maxTemplates = 4;
/** Learning takes as long as reading three rows the slow way. */
const maxLearnedPerRequest = 4;

/** With its quotes. */
const timeTokenLength = 32;

/** Reads the rows of one request, whose text is ASCII. */
export class KnownRows {
  readonly #text: string;
  readonly #bytes: DataView;
  readonly #shape: SchemaShape;
  /** Of all rows; undefined where each names its own table. */
  readonly #fixed: RowLayout | null | undefined;
  /** Most often the next row is like the last. */
  #last: RowTemplate | null = null;
  /** Tables alternate: the topic tells sooner than what does not fit. */
  #isMixed = false;
  /** The row before was read here, or learned from. */
  #isLastKnown = false;
  /** Where its `updated` stands. */
  #updatedStart = -1;
  #hasLastTopic = false;
  #hasLastTime = false;
  #learnedCount = 0;
  /** Where a topic was last looked for and found, and what it means. */
  #topicAt = -1;
  #topicLayout: RowLayout | null = null;

  constructor(
    text: string,
    bytes: Uint8Array,
    shape: SchemaShape,
    fixed: RowLayout | null | undefined,
  ) {
    this.#text = text;
    this.#bytes = new DataView(
      bytes.buffer,
      bytes.byteOffset,
      bytes.byteLength,
    );
    this.#shape = shape;
    this.#fixed = fixed;
  }

  /** See {@link readByTemplate}; -1 where no template fits. */
  read(
    envelope: Envelope,
    scan: RowScan,
    start: number,
    depthLeft: number,
  ): number {
    const last = this.#last;
    const tried = this.#isMixed ? null : last;
    let end = -1;
    if (tried !== null) {
      end = this.#readBy(tried, envelope, scan, start, depthLeft);
    }
    if (end < 0) {
      for (const template of this.#likelyTemplates(start)) {
        if (template !== tried) {
          end = this.#readBy(template, envelope, scan, start, depthLeft);
        }
        if (end >= 0) {
          this.#last = template;
          break;
        }
      }
    }
    const isAlike = end >= 0 && this.#last === last;
    this.#isMixed = end >= 0 && !isAlike;
    this.#hasLastTopic = this.#isLastKnown && isAlike;
    this.#hasLastTime =
      this.#isLastKnown && end >= 0 && this.#isLastTime(envelope);
    this.#isLastKnown = end >= 0;
    this.#updatedStart = envelope.updatedStart;
    return end;
  }

  #readBy(
    template: RowTemplate,
    envelope: Envelope,
    scan: RowScan,
    start: number,
    depthLeft: number,
  ): number {
    return readByTemplate(
      template,
      envelope,
      scan,
      this.#text,
      this.#bytes,
      start,
      depthLeft,
    );
  }

  /** Whether the row just read has the topic of the row before. */
  get hasLastTopic(): boolean {
    return this.#hasLastTopic;
  }

  /** Whether its `updated` is that of the row before. */
  get hasLastTime(): boolean {
    return this.#hasLastTime;
  }

  #isLastTime({ updatedStart, updatedEnd }: Envelope): boolean {
    const bytes = this.#bytes;
    const lastStart = this.#updatedStart;
    return (
      updatedStart >= 0 &&
      lastStart >= 0 &&
      updatedEnd - updatedStart === timeTokenLength &&
      areSameBytes(bytes, lastStart, bytes, updatedStart, timeTokenLength)
    );
  }

  /**
   * The key of the row just read, as `row-key.ts` makes it of its array and its
   * column, where they are the same and canonical; else null.
   */
  plainKey({ keyStart, keyEnd }: Envelope, scan: RowScan): JsonText | null {
    const start = scan.keyStart[0]!;
    const end = scan.keyEnd[0]!;
    const bytes = this.#bytes;
    return start >= 0 &&
      keyStart >= 0 &&
      keyEnd - keyStart === end - start + 2 &&
      bytes.getUint8(keyStart) === 0x5b &&
      areSameBytes(bytes, start, bytes, keyStart + 1, end - start) &&
      isPlainValue(bytes, start, end)
      ? (this.#text.slice(keyStart, keyEnd) as JsonText)
      : null;
  }

  /** The row was read the slow way, and scanned by this layout. */
  learn(
    envelope: Envelope,
    scan: RowScan,
    layout: RowLayout,
    start: number,
    end: number,
  ): void {
    if (this.#learnedCount >= maxLearnedPerRequest) {
      return;
    }
    this.#learnedCount += 1;
    const template = learnTemplate(
      envelope,
      scan,
      layout,
      this.#text,
      start,
      end,
    );
    if (template === null) {
      return;
    }
    this.#last = template;
    this.#isLastKnown = true;
    this.#updatedStart = envelope.updatedStart;
    const others = templatesOf.get(layout) ?? [];
    templatesOf.set(layout, [template, ...others.slice(0, maxTemplates - 1)]);
  }

  #likelyTemplates(start: number): readonly RowTemplate[] {
    const layout =
      this.#fixed === undefined ? this.#nextLayout(start) : this.#fixed;
    return (layout && templatesOf.get(layout)) ?? [];
  }

  /**
   * That of the topic which stands next in the text. It may be the topic of a
   * later row, or a part of a value: then no template fits.
   */
  #nextLayout(start: number): RowLayout | null {
    // Each character is searched once, wherever topics are.
    if (start > this.#topicAt) {
      const text = this.#text;
      const found = text.indexOf('"topic"', start);
      this.#topicAt = found < 0 ? text.length : found;
      const colon = skipBlank(text, this.#topicAt + 7);
      const nameStart = skipBlank(text, colon + 1) + 1;
      const table =
        text.charCodeAt(nameStart - 1) === 0x22
          ? knownTopic(
              this.#shape,
              text.slice(nameStart, text.indexOf('"', nameStart)),
            )
          : null;
      this.#topicLayout = table && rowLayout(table);
    }
    return this.#topicLayout;
  }
}
