/** Decimal numbers as text, of any length: never JavaScript numbers. */

/** ±0.d₁d₂d₃… × 10^point, d₁ and the last digit not zero; zero has no digits. */
export interface PlainDecimal {
  readonly negative: boolean;
  readonly digits: string;
  readonly point: number;
}

const zero = 0x30;
const nine = 0x39;
const five = 0x35;

/** Null for what is not a number: NaN, Infinity, words, nothing. */
export function parseDecimal(text: string): PlainDecimal | null {
  const negative = text.startsWith('-');
  const start = negative || text.startsWith('+') ? 1 : 0;
  const wholeEnd = digitsEnd(text, start);
  const hasDot = text.charAt(wholeEnd) === '.';
  const end = hasDot ? digitsEnd(text, wholeEnd + 1) : wholeEnd;
  const digits =
    text.slice(start, wholeEnd) + (hasDot ? text.slice(wholeEnd + 1, end) : '');
  const exponent = exponentOf(text, end);
  if (digits === '' || exponent === null) {
    return null;
  }
  let first = 0;
  while (digits.charCodeAt(first) === zero) {
    first += 1;
  }
  const trimmed = withoutTrailingZeros(digits.slice(first));
  return trimmed === ''
    ? { negative: false, digits: '', point: 0 }
    : { negative, digits: trimmed, point: wholeEnd - start - first + exponent };
}

function digitsEnd(text: string, start: number): number {
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    if (!(code >= zero && code <= nine)) {
      return at;
    }
    at += 1;
  }
}

/** Of what stands behind the digits; null where it is no exponent. */
function exponentOf(text: string, start: number): number | null {
  if (start === text.length) {
    return 0;
  }
  const sign = text.charAt(start + 1);
  const digitsStart = start + (sign === '-' || sign === '+' ? 2 : 1);
  const end = digitsEnd(text, digitsStart);
  return (text.charAt(start) === 'e' || text.charAt(start) === 'E') &&
    end > digitsStart &&
    end === text.length
    ? Number(text.slice(start + 1))
    : null;
}

function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === zero) {
    end -= 1;
  }
  return digits.slice(0, end);
}

/** To whole multiples of 10^-scale, halves away from zero. */
export function roundDecimal(
  decimal: PlainDecimal,
  scale: number,
): PlainDecimal {
  const { negative, digits, point } = decimal;
  const keptCount = point + scale;
  if (digits.length <= keptCount) {
    return decimal;
  }
  const roundsUp = keptCount >= 0 && digits.charCodeAt(keptCount) >= five;
  const kept = keptCount > 0 ? digits.slice(0, keptCount) : '';
  if (!roundsUp) {
    const trimmed = withoutTrailingZeros(kept);
    return trimmed === ''
      ? { negative: false, digits: '', point: 0 }
      : { negative, digits: trimmed, point };
  }
  const raised = String(BigInt(kept === '' ? 0 : kept) + 1n);
  return {
    negative,
    digits: withoutTrailingZeros(raised),
    point: point + raised.length - kept.length,
  };
}

/** Of `precision` digits, the last of which stands for 10^-scale. */
export function largestDecimal(
  negative: boolean,
  precision: number,
  scale: number,
): PlainDecimal {
  return { negative, digits: '9'.repeat(precision), point: precision - scale };
}

/** Without exponent: only for numbers known to be short. */
export function printDecimal({
  negative,
  digits,
  point,
}: PlainDecimal): string {
  const sign = negative ? '-' : '';
  const padded = digits.padEnd(point, '0');
  const whole = point > 0 ? padded.slice(0, point) : '0';
  const fraction =
    point > 0 ? padded.slice(point) : '0'.repeat(-point) + digits;
  return digits === ''
    ? '0'
    : `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

export function areEqualDecimals(a: PlainDecimal, b: PlainDecimal): boolean {
  return (
    a.digits === b.digits && a.point === b.point && a.negative === b.negative
  );
}
