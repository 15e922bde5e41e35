/**
 * The bytes of `requestBody` for a fraction of its price: who makes the load
 * shares two cores with the daemon, and a feed does not. A row is the one before
 * it with other digits, as long as no number gets longer or shorter.
 */
import type { LoadShape } from './load-shape.ts';
import {
  FIRST_ID,
  requestBody,
  rowText,
  tableOf,
  TRANSACTION_ROWS,
} from './rows.ts';

const comma = 0x2c;
const dot = 0x2e;
const zero = 0x30;
const nine = 0x39;
const head = '{"payload":[';
/** No row of the usual shape is longer. */
const mostRowBytes = 512;

/** Of a row its length, the last digits of its numbers, and where its time starts. */
interface Places {
  readonly length: number;
  readonly account: number;
  readonly amount: number;
  readonly id: number;
  readonly state: number;
  readonly key: number;
  readonly time: number;
  /** The least number with more digits than its account. */
  readonly accountLimit: number;
}

/** For one connection, which is done with a body before it sends the next one. */
export class BodyWriter {
  readonly #shape: LoadShape;
  readonly #bytes: Buffer;

  constructor(shape: LoadShape) {
    this.#shape = shape;
    this.#bytes = Buffer.alloc((shape.requestRows + 1) * mostRowBytes);
  }

  /** Of the usual row they are the same bytes each time. */
  body(firstId: number, nextTime: () => string): Buffer {
    const { requestRows, isHot, rowBytes } = this.#shape;
    if (rowBytes !== null) {
      return Buffer.from(requestBody(firstId, nextTime, this.#shape), 'latin1');
    }
    const bytes = this.#bytes;
    const topic = tableOf(firstId, this.#shape);
    let start = bytes.write(head, 'latin1');
    let time = nextTime();
    let places = NO_PLACES;
    for (let index = 0; index < requestRows; index += 1) {
      const version = firstId + index;
      const isNewTime = index > 0 && (isHot || index % TRANSACTION_ROWS === 0);
      if (isNewTime) time = nextTime();
      const before = start;
      if (index > 0) {
        start += places.length;
        bytes[start] = comma;
        start += 1;
      }
      if (index > 0 && areAsLong(version, places)) {
        bytes.copyWithin(start, before, before + places.length);
        countUp(bytes, start, places, isHot);
        if (isNewTime) bytes.write(time, start + places.time, 'latin1');
      } else {
        const id = isHot ? FIRST_ID : version;
        const text = rowText(id, version, topic, time);
        bytes.write(text, start, 'latin1');
        places = placesIn(text, time, version);
      }
    }
    const end = start + places.length;
    const tail = `],"length":${requestRows}}`;
    return bytes.subarray(0, end + bytes.write(tail, end, 'latin1'));
  }
}

const NO_PLACES: Places = {
  length: 0,
  account: 0,
  amount: 0,
  id: 0,
  state: 0,
  key: 0,
  time: 0,
  accountLimit: 0,
};

function placesIn(text: string, time: string, version: number): Places {
  const lastOf = (name: string, behind: string): number =>
    text.indexOf(behind, text.indexOf(name)) - 1;
  return {
    length: text.length,
    account: lastOf('"account"', ','),
    amount: lastOf('"amount"', ','),
    id: lastOf('"id"', ','),
    state: lastOf('"state"', '"}'),
    key: lastOf('"key"', ']'),
    time: text.indexOf(time),
    accountLimit: 10 ** String(version * 7).length,
  };
}

/**
 * Its numbers have as many digits as those of the version before, whose account
 * is below this power of ten: the others grow at round versions only.
 */
function areAsLong(version: number, { accountLimit }: Places): boolean {
  return version % 1000 !== 0 && version * 7 < accountLimit;
}

/** Of the version before it makes the next one. */
function countUp(
  bytes: Buffer,
  start: number,
  { account, amount, id, state, key }: Places,
  isHot: boolean,
): void {
  add(bytes, start + account, 7);
  add(bytes, start + amount, 1);
  const digit = bytes[start + state]! + 1;
  bytes[start + state] = digit > nine ? zero : digit;
  if (!isHot) {
    add(bytes, start + id, 1);
    add(bytes, start + key, 1);
  }
}

/** To the number whose last digit is there; less than ten. */
function add(bytes: Buffer, last: number, count: number): void {
  let at = last;
  let digit = bytes[at]! + count;
  while (digit > nine) {
    bytes[at] = digit - 10;
    at -= 1;
    if (bytes[at] === dot) {
      at -= 1;
    }
    digit = bytes[at]! + 1;
  }
  bytes[at] = digit;
}
