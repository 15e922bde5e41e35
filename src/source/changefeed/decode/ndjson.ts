/**
 * The files that a storage sink writes, posted to us: one wrapped row a
 * line, `{after, before, key, updated}`; the file's name tells the table.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { skipBlank } from '../../../mutation/json-text.ts';
import { validateEnd } from '../../../mutation/json-validation.ts';
import { type DecodeContext, knownTable } from './decode-context.ts';
import type { DecodedRequest } from './decode.ts';
import { RowDecoder } from './rows.ts';
import { resolveTable, resolveTopic } from './topic.ts';

/**
 * Decodes a file. The table is the one in the path (`context.table`), else
 * the one that the topic in the file's name means.
 */
export function decodeNdjson(
  text: string,
  context: DecodeContext,
  maxLineBytes: number,
  topic: string,
): DecodedRequest {
  const table =
    context.table === null
      ? knownTable(context, topic, resolveTopic)
      : knownTable(context, context.table, resolveTable);
  const decoder = new RowDecoder(text, null, context, table);
  let isEmpty = true;
  for (const line of lines(text)) {
    const start = skipBlank(line, 0);
    if (start === line.length) {
      continue;
    }
    if (line.length > maxLineBytes || Buffer.byteLength(line) > maxLineBytes) {
      throw new ReplicatorError('E1005', {
        detail: `a line is longer than ${maxLineBytes} bytes`,
        remedy: 'raise --ndjsonBufferSize',
      });
    }
    validateEnd(line, decoder.decodeRow(line, start, context.maxDepth));
    isEmpty = false;
  }
  return isEmpty ? { kind: 'empty' } : decoder.finish();
}

function* lines(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    yield text.slice(start, end);
    start = end + 1;
  }
}
