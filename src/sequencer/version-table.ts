import { detachedText } from '../lib/detached-text.ts';
import { textHash } from '../lib/text-hash.ts';
import { timeBucket, type Timestamp } from '../mutation/timestamp.ts';

/** What is known of one second of versions; its texts go when it goes. */
interface Second {
  /** Entries that came here; some may have gone on to a later second. */
  entries: number[];
  units: Uint16Array;
  unitCount: number;
}

/** UTF-16, of ASCII its bytes. */
type Units = Uint8Array | Uint16Array;

const smallest = 16;
const none = -1;

/**
 * The newest version of each key: a map from text to text, by open addressing
 * in typed arrays. A million keys are no million objects that the garbage
 * collector walks over and copies: beside a Map of strings it saved 2.5 µs of
 * the 12 µs of CPU that a row cost the daemon in immediate mode.
 */
export class VersionTable {
  /** Places by hash, each with the number of an entry or `none`. */
  #slots = new Int32Array(smallest * 2).fill(none);
  #hashes = new Int32Array(smallest);
  /** Where an entry's key stands in the units of its second. */
  #starts = new Uint32Array(smallest);
  #lengths = new Uint32Array(smallest);
  readonly #versions: Timestamp[] = [];
  readonly #secondOf: (Second | null)[] = [];
  readonly #free: number[] = [];
  readonly #seconds = new Map<string, Second>();
  #size = 0;
  #text = new Uint16Array(64);
  /** Rows of one transaction come together: their version is kept once. */
  #last: { version: Timestamp; second: Second } | null = null;

  get size(): number {
    return this.#size;
  }

  /** The seconds of which versions are known. */
  get seconds(): Iterable<string> {
    return this.#seconds.keys();
  }

  newest(key: string): Timestamp | undefined {
    const length = this.#read(key);
    return this.newestOf(this.#text, 0, length, textHash(key));
  }

  /** Of the key whose units lie there; `hash` is that of its text. */
  newestOf(
    units: Units,
    start: number,
    end: number,
    hash: number,
  ): Timestamp | undefined {
    const entry = this.#slots[this.#placeOf(units, start, end, hash)]!;
    return entry === none ? undefined : this.#versions[entry];
  }

  /** Notes a version, unless a newer one is known. */
  note(key: string, version: Timestamp): void {
    const length = this.#read(key);
    this.noteOf(this.#text, 0, length, textHash(key), version);
  }

  /** As `note`, of the key whose units lie there. */
  noteOf(
    units: Units,
    start: number,
    end: number,
    hash: number,
    version: Timestamp,
  ): void {
    const place = this.#placeOf(units, start, end, hash);
    const entry = this.#slots[place]!;
    if (entry !== none && this.#versions[entry]! >= version) {
      return;
    }
    const { version: kept, second } = this.#lastOf(version);
    if (entry === none) {
      const added = this.#entryFor(hash);
      this.#versions[added] = kept;
      this.#keepKey(added, units, start, end, second);
      return;
    }
    this.#versions[entry] = kept;
    // Once for each second: a hot row must not fill it.
    if (this.#secondOf[entry] !== second) {
      this.#keepKey(entry, units, start, end, second);
    }
  }

  delete(key: string): boolean {
    const length = this.#read(key);
    const place = this.#placeOf(this.#text, 0, length, textHash(key));
    const isKnown = this.#slots[place] !== none;
    if (isKnown) {
      this.#remove(place);
    }
    return isKnown;
  }

  /**
   * Forgets the second's keys whose newest version is at or before the time
   * (null: all of them). Returns how many.
   */
  forgetSecond(name: string, time: Timestamp | null): number {
    const second = this.#seconds.get(name);
    if (!second) {
      return 0;
    }
    const sizeBefore = this.#size;
    const kept: number[] = [];
    for (const entry of second.entries) {
      if (this.#secondOf[entry] === second) {
        if (time === null || this.#versions[entry]! <= time) {
          this.#remove(this.#slotOf(entry));
        } else {
          kept.push(entry);
        }
      }
    }
    second.entries = kept;
    if (kept.length === 0) {
      this.#seconds.delete(name);
      this.#last = null;
    }
    if (this.#size === 0) {
      this.#reset();
    }
    return sizeBefore - this.#size;
  }

  #lastOf(version: Timestamp): { version: Timestamp; second: Second } {
    if (this.#last?.version !== version) {
      const name = timeBucket(version);
      let second = this.#seconds.get(name);
      if (!second) {
        second = { entries: [], units: new Uint16Array(64), unitCount: 0 };
        this.#seconds.set(detachedText(name), second);
      }
      this.#last = { version: detachedText(version), second };
    }
    return this.#last!;
  }

  /** A new entry under the hash, whose key is not kept yet. */
  #entryFor(hash: number): number {
    const entry = this.#free.pop() ?? this.#versions.length;
    if (entry >= this.#hashes.length) {
      this.#grow();
    }
    const slots = this.#slots;
    const mask = slots.length - 1;
    let place = hash & mask;
    while (slots[place] !== none) {
      place = (place + 1) & mask;
    }
    slots[place] = entry;
    this.#hashes[entry] = hash;
    this.#size += 1;
    return entry;
  }

  /** The key goes where the second's others are. */
  #keepKey(
    entry: number,
    units: Units,
    start: number,
    end: number,
    second: Second,
  ): void {
    const keptStart = second.unitCount;
    const keptEnd = keptStart + end - start;
    if (keptEnd > second.units.length) {
      const more = new Uint16Array(Math.max(keptEnd, second.units.length * 2));
      more.set(second.units);
      second.units = more;
    }
    const kept = second.units;
    for (let from = start, to = keptStart; from < end; from += 1, to += 1) {
      kept[to] = units[from]!;
    }
    second.unitCount = keptEnd;
    second.entries.push(entry);
    this.#secondOf[entry] = second;
    this.#starts[entry] = keptStart;
    this.#lengths[entry] = end - start;
  }

  /** Where the key stands, or the empty place where it would. */
  #placeOf(units: Units, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let place = hash & mask;
    for (;;) {
      const entry = slots[place]!;
      if (
        entry === none ||
        (this.#hashes[entry] === hash &&
          this.#isKeyOf(entry, units, start, end))
      ) {
        return place;
      }
      place = (place + 1) & mask;
    }
  }

  #isKeyOf(entry: number, units: Units, start: number, end: number): boolean {
    if (this.#lengths[entry] !== end - start) {
      return false;
    }
    const kept = this.#secondOf[entry]!.units;
    let at = this.#starts[entry]!;
    for (let from = start; from < end; from += 1, at += 1) {
      if (kept[at] !== units[from]) {
        return false;
      }
    }
    return true;
  }

  /** The units of the text, for the next call alone. Answers how many. */
  #read(key: string): number {
    if (key.length > this.#text.length) {
      this.#text = new Uint16Array(key.length * 2);
    }
    const text = this.#text;
    for (let at = 0; at < key.length; at += 1) {
      text[at] = key.charCodeAt(at);
    }
    return key.length;
  }

  #slotOf(entry: number): number {
    const mask = this.#slots.length - 1;
    let place = this.#hashes[entry]! & mask;
    while (this.#slots[place] !== entry) {
      place = (place + 1) & mask;
    }
    return place;
  }

  /** Whoever stands behind moves up, so that no search ends before him. */
  #remove(place: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const entry = slots[place]!;
    let gap = place;
    let next = (gap + 1) & mask;
    while (slots[next] !== none) {
      const home = this.#hashes[slots[next]!]! & mask;
      if (((next - home) & mask) >= ((next - gap) & mask)) {
        slots[gap] = slots[next]!;
        gap = next;
      }
      next = (next + 1) & mask;
    }
    slots[gap] = none;
    this.#secondOf[entry] = null;
    this.#free.push(entry);
    this.#size -= 1;
  }

  #grow(): void {
    const capacity = this.#hashes.length * 2;
    const hashes = new Int32Array(capacity);
    hashes.set(this.#hashes);
    const starts = new Uint32Array(capacity);
    starts.set(this.#starts);
    const lengths = new Uint32Array(capacity);
    lengths.set(this.#lengths);
    const slots = new Int32Array(capacity * 2).fill(none);
    const mask = slots.length - 1;
    for (const entry of this.#slots) {
      if (entry !== none) {
        let place = hashes[entry]! & mask;
        while (slots[place] !== none) {
          place = (place + 1) & mask;
        }
        slots[place] = entry;
      }
    }
    this.#hashes = hashes;
    this.#starts = starts;
    this.#lengths = lengths;
    this.#slots = slots;
  }

  /** What a busy time has taken is given back. */
  #reset(): void {
    this.#slots = new Int32Array(smallest * 2).fill(none);
    this.#hashes = new Int32Array(smallest);
    this.#starts = new Uint32Array(smallest);
    this.#lengths = new Uint32Array(smallest);
    this.#versions.length = 0;
    this.#secondOf.length = 0;
    this.#free.length = 0;
    this.#seconds.clear();
    this.#last = null;
  }
}
