/** What JSON.parse makes of a text, but for numbers, which keep their digits. */
export type ParsedObject = Map<string, JsonValue>;

export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type JsonValue =
  | string
  | boolean
  | null
  | NumberText
  | JsonValue[]
  | ParsedObject;

/** Undefined for what JSON.parse refuses. */
export function parsedJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text, ((
      _name: string,
      value: unknown,
      context: { source?: string },
    ) => {
      if (typeof value === 'number') {
        return new NumberText(context.source!);
      }
      return typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        !(value instanceof Map) &&
        !(value instanceof NumberText)
        ? new Map(Object.entries(value))
        : value;
    }) as (name: string, value: unknown) => unknown) as JsonValue;
  } catch {
    return undefined;
  }
}

/** How many arrays and objects stand inside one another, in valid JSON. */
export function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === '[' || token === '{') {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (token === ']' || token === '}') {
      depth -= 1;
    }
  }
  return deepest;
}

/**
 * A text that is equal for values that are: members of objects in their
 * order, numbers by what they are worth.
 */
export function valueText(value: JsonValue): string {
  if (value instanceof NumberText) {
    return numberWorth(value.text);
  }
  if (Array.isArray(value)) {
    return `[${value.map(valueText).join()}]`;
  }
  if (value instanceof Map) {
    return `{${Array.from(value, ([name, member]) => `${JSON.stringify(name)}:${valueText(member)}`).join()}}`;
  }
  return JSON.stringify(value);
}

/** The same, with numbers to the last digit of how they were written. */
export function exactText(value: JsonValue): string {
  if (value instanceof NumberText) {
    return value.text;
  }
  if (Array.isArray(value)) {
    return `[${value.map(exactText).join()}]`;
  }
  if (value instanceof Map) {
    return `{${Array.from(value, ([name, member]) => `${JSON.stringify(name)}:${exactText(member)}`).join()}}`;
  }
  return JSON.stringify(value);
}

function numberWorth(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = (whole + fraction).replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  if (short === '') {
    return '0';
  }
  const power =
    BigInt(exponent) -
    BigInt(fraction.length) +
    BigInt(digits.length - short.length);
  return `${mantissa.startsWith('-') ? '-' : ''}${short}p${power}`;
}
