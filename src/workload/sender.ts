/** Speaks HTTPS to the webhook as CockroachDB's sink does. */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export interface SinkAddress {
  /** Without the parameters that are CockroachDB's own. */
  readonly url: URL;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly rejectUnauthorized: boolean;
  };
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Sender extends Disposable {
  /**
   * Resolves with whatever the server says; rejects when it says nothing
   * whole within the timeout. Either way the server may have taken the body.
   */
  post(body: string, signal: AbortSignal): Promise<Answer>;
}

const compress = promisify(gzip);

/** `ca_cert=<base64 of PEM>` and its like are read and cut off. */
export function parseSinkUrl(text: string): SinkAddress {
  const url = new URL(text.replace(/^webhook-/, ''));
  const take = (name: string): string | undefined => {
    const value = url.searchParams.get(name);
    url.searchParams.delete(name);
    return value ?? undefined;
  };
  const takePem = (name: string): string | undefined => {
    // A base64 plus sign that nobody escaped reads as a space.
    const value = take(name)?.replaceAll(' ', '+');
    return value && Buffer.from(value, 'base64').toString('utf8');
  };
  const ca = takePem('ca_cert');
  const cert = takePem('client_cert');
  const key = takePem('client_key');
  const skipVerify = take('insecure_tls_skip_verify') === 'true';
  return {
    url,
    tls: {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      rejectUnauthorized: !skipVerify,
    },
  };
}

export function openSender(
  address: SinkAddress,
  options: {
    readonly concurrentRequests: number;
    readonly requestTimeoutMs: number;
    readonly gzip: boolean;
  },
): Sender {
  const { url, tls } = address;
  const secure = url.protocol === 'https:';
  const agentOptions = {
    keepAlive: true,
    // One more for the resolved messages, which wait for no row request.
    maxSockets: options.concurrentRequests + 1,
  };
  const agent = secure
    ? new HttpsAgent({ ...agentOptions, ...tls })
    : new HttpAgent(agentOptions);
  const open = secure ? httpsRequest : httpRequest;

  const exchange = (
    body: Buffer,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = open(url, { method: 'POST', agent, headers, signal });
      request.on('error', reject);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('error', reject);
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      request.end(body);
    });

  return {
    async post(text, signal) {
      const body = options.gzip ? await compress(text) : Buffer.from(text);
      const deadline = AbortSignal.timeout(options.requestTimeoutMs);
      return exchange(
        body,
        {
          'content-type': 'application/json',
          'content-length': `${body.length}`,
          ...(options.gzip ? { 'content-encoding': 'gzip' } : {}),
        },
        AbortSignal.any([signal, deadline]),
      );
    },
    [Symbol.dispose]() {
      agent.destroy();
    },
  };
}
