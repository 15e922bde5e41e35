/**
 * Values as both sides write them: `json` is what CockroachDB puts into a
 * changefeed message, `text` what PostgreSQL prints for `column::text` when
 * its session speaks UTC and ISO. Null text is SQL NULL.
 */
import type { Random } from './random.ts';

export interface Cell {
  readonly json: string;
  readonly text: string | null;
}

const nullCell: Cell = { json: 'null', text: null };

export type CellMaker = (random: Random) => Cell;

/** Digits that are the same on both sides: integers. */
export function integerCell(value: number | bigint): Cell {
  return { json: `${value}`, text: `${value}` };
}

export function textCell(text: string): Cell {
  return { json: JSON.stringify(text), text };
}

/** Text that every quoting on the way must leave alone. */
const fragments = [
  'plain',
  ' ',
  '"',
  "'",
  '\\',
  '\n',
  '\t',
  '{',
  '}',
  ',',
  '$1',
  '%s',
  '--',
  'ä',
  '漢字',
  '🦀',
  'NULL',
  'null',
  '\\N',
  '\u007f',
  '\u2028',
  ';',
  '/*',
] as const;

export const words: CellMaker = (random) => {
  const count = random.integer(6);
  let text = '';
  for (let index = 0; index < count; index += 1) {
    text += random.pick(fragments);
  }
  return textCell(text);
};

const int8Edges = [
  '9223372036854775807',
  '-9223372036854775808',
  '9007199254740993',
  '0',
  '-1',
] as const;

export const int8: CellMaker = (random) => {
  const digits = random.chance(0.2)
    ? random.pick(int8Edges)
    : `${random.integer(2 ** 31) - 2 ** 30}`;
  return { json: digits, text: digits };
};

/** Keeps its scale: `12.3400` is not `12.34` on either side. */
export const decimal: CellMaker = (random) => {
  const whole = random.chance(0.1)
    ? `${1 + random.integer(9)}${digitsOf(random, 25)}`
    : `${1 + random.integer(99_999)}`;
  const sign = random.chance(0.3) ? '-' : '';
  const digits = `${sign}${whole}.${digitsOf(random, 1 + random.integer(8))}`;
  return { json: digits, text: digits };
};

function digitsOf(random: Random, count: number): string {
  let digits = '';
  for (let index = 0; index < count; index += 1) {
    digits += random.integer(10);
  }
  return digits;
}

/** Eighths print alike in every shortest-digits printer. */
export const float8: CellMaker = (random) => {
  if (random.chance(0.05)) {
    return { json: '-0', text: '-0' };
  }
  return integerCell((random.integer(2 ** 30) - 2 ** 29) / 8);
};

export const bool: CellMaker = (random) => {
  const text = random.chance(0.5) ? 'true' : 'false';
  return { json: text, text };
};

export const date: CellMaker = (random) =>
  textCell(instantOf(random).toISOString().slice(0, 10));

export const timestamptz: CellMaker = (random) => {
  const [day = '', time = ''] = instantOf(random).toISOString().split('T');
  const seconds = time.slice(0, 8);
  const micros = random.chance(0.2) ? 0 : random.integer(1_000_000);
  const fraction =
    micros === 0 ? '' : `.${`${micros}`.padStart(6, '0').replace(/0+$/, '')}`;
  return {
    json: `"${day}T${seconds}${fraction}Z"`,
    text: `${day} ${seconds}${fraction}+00`,
  };
};

/** Between 1970 and 2100. */
function instantOf(random: Random): Date {
  return new Date(random.integer(4_102_444_800) * 1000);
}

export const bytea: CellMaker = (random) =>
  textCell(`\\x${hexOf(random, 2 * random.integer(12))}`);

export const uuid: CellMaker = (random) =>
  textCell([8, 4, 4, 4, 12].map((length) => hexOf(random, length)).join('-'));

function hexOf(random: Random, length: number): string {
  let digits = '';
  for (let index = 0; index < length; index += 1) {
    digits += random.integer(16).toString(16);
  }
  return digits;
}

/** Numbers in it keep every digit, as in jsonb. */
export const document: CellMaker = (random) => documentCell(random, decimal);

/** Numbers in it are exact as doubles too. */
export const plainDocument: CellMaker = (random) =>
  documentCell(random, (chance) => {
    // As many throws as a decimal takes: the rest of the workload is the same.
    const eighths = Math.trunc((Number(decimal(chance).json) % 2 ** 20) * 8);
    return integerCell(eighths / 8 + 0);
  });

/** Keys in the order in which jsonb keeps them: by length, then by bytes. */
function documentCell(random: Random, number: CellMaker): Cell {
  const exact = number(random).json;
  const name = words(random).json;
  const flag = bool(random).json;
  return {
    json: `{"a":${exact},"b":[${flag},null,${name}],"cc":{"d":${name}}}`,
    text: `{"a": ${exact}, "b": [${flag}, null, ${name}], "cc": {"d": ${name}}}`,
  };
}

/** An array of what `element` makes, with a NULL here and there. */
export function arrayOf(element: CellMaker): CellMaker {
  return (random) => {
    const cells = Array.from({ length: random.integer(4) }, () =>
      random.chance(0.2) ? nullCell : element(random),
    );
    return {
      json: `[${cells.map((cell) => cell.json).join(',')}]`,
      text: `{${cells.map((cell) => elementText(cell.text)).join(',')}}`,
    };
  };
}

/** PostgreSQL's array_out quotes what could be read as something else. */
function elementText(text: string | null): string {
  if (text === null) {
    return 'NULL';
  }
  return text === '' || /^null$/i.test(text) || /[{}",\\ \t\n\r\v\f]/.test(text)
    ? `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
    : text;
}

export function nullable(probability: number, maker: CellMaker): CellMaker {
  return (random) => (random.chance(probability) ? nullCell : maker(random));
}
