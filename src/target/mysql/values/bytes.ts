/** Bytes and bits as hexadecimal digits. */
import { jsonString } from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { UnstorableValue } from '../../value-policy.ts';

const quote = 0x22;
const uuidText = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `\x` and hexadecimal digits, the text of a uuid, or any other text's UTF-8. */
export function bytesHex(
  text: string,
  { maxLength, fixed }: { readonly maxLength: number; readonly fixed: boolean },
): string {
  const hex = /^\\x(?:[0-9a-f]{2})*$/i.test(text)
    ? text.slice(2)
    : maxLength === 16 && uuidText.test(text)
      ? text.replaceAll('-', '')
      : Buffer.from(text).toString('hex');
  const length = hex.length / 2;
  if (length > maxLength) {
    throw new UnstorableValue(
      `is longer than ${maxLength} bytes`,
      hex.slice(0, maxLength * 2),
    );
  }
  if (fixed && length < maxLength) {
    throw new UnstorableValue(
      `is shorter than the ${maxLength} bytes to which a BINARY fills it up`,
    );
  }
  return hex;
}

/** A boolean, a whole number, or a text of as many binary digits as the column has. */
export function bitHex(token: JsonText, bits: number): string {
  const value = bitValue(token, bits);
  const byteCount = Math.ceil(bits / 8);
  if (value < 0n || value >= 1n << BigInt(bits)) {
    throw new UnstorableValue(`does not fit into ${bits} bits`);
  }
  return value.toString(16).padStart(byteCount * 2, '0');
}

function bitValue(token: JsonText, bits: number): bigint {
  if (token === 'true' || token === 'false') {
    return token === 'true' ? 1n : 0n;
  }
  if (token.charCodeAt(0) !== quote) {
    if (!/^-?\d+$/.test(token)) {
      throw new UnstorableValue('is not a whole number');
    }
    return BigInt(token);
  }
  const text = jsonString(token);
  if (!/^[01]+$/.test(text)) {
    throw new UnstorableValue('is not a text of binary digits');
  }
  if (text.length !== bits) {
    throw new UnstorableValue(`has ${text.length} bits and not ${bits}`);
  }
  return BigInt(`0b${text}`);
}
