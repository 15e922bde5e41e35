import type { ColumnShape, TableShape } from '../../target/target.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { schemaName } from '../../mutation/schema-name.ts';
import { type Timestamp, timestampFromMs } from '../../mutation/timestamp.ts';
import type { Feed, Feeds } from '../source.ts';
import { aheadOfClock } from './decode/decode-context.ts';
import { decodeBody, type DecodedRequest } from './decode/decode.ts';
import type { Room } from './server/in-flight-budget.ts';
import { decodeUtf8, inflateBody, isPlainEncoding } from './decode/inflate.ts';
import { decodeNdjson } from './decode/ndjson.ts';
import type { RequestPath } from './server/path.ts';

/** Clocks of a working cluster are half a second apart at most. */
const maxAheadMs = 3_600_000;

export interface ReceiveLimits {
  readonly maxBodyBytes: number;
  readonly maxInflatedBytes: number;
  readonly maxJsonDepth: number;
  readonly maxLineBytes: number;
  /** 0: no limit. */
  readonly maxRows: number;
}

export interface ReceiveContext {
  readonly feeds: Feeds;
  readonly limits: ReceiveLimits;
  readonly onUnknown: 'refuse' | 'ignore';
  /** Whether the target's column takes a text with U+0000. */
  readonly takesNul: (table: TableShape, column: ColumnShape) => boolean;
  /** Told of every request that was understood, before it is accepted. */
  received(feed: Feed, decoded: DecodedRequest): void;
  /** Told of every refusal, for metrics and the log. */
  refused(failure: ReplicatorError): void;
}

/**
 * One webhook request, from its body to the promise behind "yes": inflate,
 * check, recognise, hand over. It is accepted whole or refused whole.
 */
export async function receiveBody(
  context: ReceiveContext,
  path: RequestPath,
  body: Buffer,
  contentEncoding: string | undefined,
  room: Room,
): Promise<void> {
  const schema = schemaName(path.schema);
  const opened = context.feeds.open(schema);
  const feed = opened instanceof Promise ? await opened : opened;
  if (!feed) {
    throw new ReplicatorError('E1014', {
      detail: `the target has no schema ${schema}`,
    });
  }
  const latest = timestampFromMs(Date.now() + maxAheadMs);
  if (path.kind === 'resolved-file') {
    if (path.time > latest) {
      throw aheadOfClock(path.time, latest, 'the time in the name of the file');
    }
    await feed.resolve(path.time);
    return;
  }
  const bytes = isPlainEncoding(contentEncoding)
    ? body
    : await inflateBody(body, contentEncoding, context.limits, room);
  const decoded = await decodeFor(context, feed, path, bytes, latest);
  context.received(feed, decoded);
  if (decoded.kind === 'resolved') {
    await feed.resolve(decoded.time);
  } else if (decoded.kind === 'rows') {
    await feed.accept(decoded.tables);
  }
}

/** Decodes by the known shape; an unknown name is looked up once more. */
async function decodeFor(
  context: ReceiveContext,
  feed: Feed,
  path: Exclude<RequestPath, { kind: 'resolved-file' }>,
  body: Buffer,
  latest: Timestamp,
): Promise<DecodedRequest> {
  const text = decodeUtf8(body);
  // An ASCII body has a byte for each character, any other one has more.
  const bytes = text.length === body.length ? body : null;
  const decode = (): DecodedRequest => {
    const decodeContext = {
      shape: feed.shape(),
      table: path.table,
      onUnknown: context.onUnknown,
      takesNul: context.takesNul,
      maxDepth: context.limits.maxJsonDepth,
      maxRows: context.limits.maxRows,
      keyOrders: feed.keyOrders,
      latest,
    };
    return path.kind === 'ndjson-file'
      ? decodeNdjson(
          text,
          decodeContext,
          context.limits.maxLineBytes,
          path.topic,
        )
      : decodeBody(text, decodeContext, bytes);
  };
  try {
    const decoded = decode();
    const trust = feed.keyOrders.takeTrust();
    return trust === null || (await feed.confirmOrders(trust))
      ? decoded
      : await decodeTrusted(feed, decode);
  } catch (error) {
    if (!(error instanceof ReplicatorError) || !outdatedShape.has(error.code)) {
      throw error;
    }
    const before = feed.shape();
    if ((await feed.refreshShape()) === before) {
      throw error;
    }
    return await decodeTrusted(feed, decode);
  }
}

/** Decodes until nobody knows better what keys were read on trust. */
async function decodeTrusted(
  feed: Feed,
  decode: () => DecodedRequest,
): Promise<DecodedRequest> {
  for (;;) {
    const decoded = decode();
    const trust = feed.keyOrders.takeTrust();
    if (trust === null || (await feed.confirmOrders(trust))) {
      return decoded;
    }
  }
}

/** Refusals that a newer look at the target's catalog may lift. */
const outdatedShape: ReadonlySet<string> = new Set([
  'E1015',
  'E1016',
  'E1017',
  'E1022',
]);
