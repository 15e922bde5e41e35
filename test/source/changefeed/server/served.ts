import { onTestFinished } from 'vitest';
import { anyCaller } from '../../../../src/source/changefeed/callers/ask-callers.ts';
import {
  WebhookServer,
  type WebhookServerOptions,
} from '../../../../src/source/changefeed/server/server.ts';
import {
  createMetrics,
  type Metrics,
} from '../../../../src/telemetry/metrics.ts';
import {
  feedsOf,
  plainShape,
  RecordingFeed,
} from '../../../support/recording-feed.ts';

export const time = '1700000000000000000.0000000001';
export const row = {
  after: { id: 1, name: 'a' },
  key: [1],
  topic: 'account',
  updated: time,
};
export const body = JSON.stringify({ payload: [row], length: 1 });

/** A listener before a recording feed, closed when the test has ended. */
export interface Served {
  readonly server: WebhookServer;
  readonly feed: RecordingFeed;
  readonly port: number;
  readonly metrics: Metrics;
}

export async function serve(
  changed: Partial<WebhookServerOptions> = {},
  limits: Partial<WebhookServerOptions['receive']['limits']> = {},
  refused: WebhookServerOptions['receive']['refused'] = () => {},
): Promise<Served> {
  const feed = new RecordingFeed(plainShape({ account: ['id', 'name'] }));
  const metrics = createMetrics();
  const server = new WebhookServer({
    host: '127.0.0.1',
    port: 0,
    tls: null,
    callers: anyCaller,
    responseTimeoutMs: 10_000,
    inFlightLimitBytes: 1 << 24,
    discard: false,
    discardDelayMs: 0,
    receive: {
      feeds: feedsOf(feed),
      onUnknown: 'refuse',
      takesNul: () => false,
      limits: {
        maxBodyBytes: 100_000,
        maxInflatedBytes: 200_000,
        maxJsonDepth: 64,
        maxLineBytes: 65_536,
        maxRows: 10_000,
        ...limits,
      },
      received: () => {},
      refused,
    },
    schemaNameParts: 2,
    examplePath: '/db/public',
    metrics,
    ...changed,
  });
  const { port } = await server.listen();
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { server, feed, port, metrics };
}

export async function post(
  port: number,
  path: string,
  content: string | Buffer<ArrayBuffer>,
  headers: Record<string, string> = { 'content-type': 'application/json' },
  method = 'POST',
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers,
    ...(method === 'GET' ? {} : { body: content }),
  });
  return {
    status: response.status,
    text: await response.text(),
    headers: response.headers,
  };
}

/** Of a counter with one label, as it stands now. */
export async function refusedCount(
  { metrics }: Served,
  reason: string,
): Promise<number> {
  const { values } = await metrics.replicator_connections_refused_total.get();
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0;
}

export async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((done) => setTimeout(done, 5));
  }
}
