/** Bodies decoded against the tables of shapes.ts. */
import { ReplicatorError } from '../../../../src/failure/failure.ts';
import { decodeBody } from '../../../../src/source/changefeed/decode/decode.ts';
import type {
  DecodeContext,
  DecodedRows,
} from '../../../../src/source/changefeed/decode/decode-context.ts';
import { decodeContext, shape } from './shapes.ts';

export function decode(text: string, over: Partial<DecodeContext> = {}) {
  return decodeBody(text, decodeContext(shape, over));
}

export function decodeRows(
  text: string,
  over: Partial<DecodeContext> = {},
): DecodedRows {
  const decoded = decode(text, over);
  if (decoded.kind !== 'rows') {
    throw new Error(`decoded to ${decoded.kind}`);
  }
  return decoded;
}

export function refusal(text: string, over: Partial<DecodeContext> = {}) {
  try {
    decode(text, over);
  } catch (error) {
    if (error instanceof ReplicatorError) {
      return error;
    }
    throw error;
  }
  throw new Error('the request was accepted');
}
