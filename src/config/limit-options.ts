import type { OptionTable } from './option-entry.ts';

/** What a sender may cost, beside the sizes of its bodies. */
export const limitOptions = {
  maxHeaderBytes: {
    type: 'bytes',
    default: 32 * 2 ** 10,
    min: 4096,
    max: 2 ** 20,
    group: 'Limits',
    about:
      'The largest head of a request: its line, path and headers. A larger one is answered 431 and its connection closed (HTTP/2: the stream).',
  },
  headerTimeout: {
    type: 'duration',
    default: 10_000,
    min: 100,
    group: 'Limits',
    about:
      'How long a caller may take for a TLS handshake, and for the head of a request; then its connection is closed.',
  },
  bodyTimeout: {
    type: 'duration',
    default: 60_000,
    min: 100,
    group: 'Limits',
    about:
      'How long a request may take until its body is here, from its first byte; then it is answered 408 and its connection closed.',
  },
  maxConnections: {
    type: 'int',
    default: 10_000,
    min: 0,
    group: 'Limits',
    unit: 'connections',
    about:
      'How many connections may be open; further ones are closed at once. 0: no limit.',
  },
  maxConnectionsPerAddress: {
    type: 'int',
    default: 5_000,
    min: 0,
    group: 'Limits',
    unit: 'connections',
    about:
      'The same for one address. Behind a load balancer that does not pass addresses on, all callers have one. 0: no limit.',
  },
  maxRequestsInFlight: {
    type: 'int',
    default: 5_000,
    min: 0,
    group: 'Limits',
    unit: 'requests',
    about:
      'How many requests may wait for their answer; further ones are answered 503 with Retry-After. --memoryLimit bounds their bytes. 0: no limit.',
  },
  maxRowsPerRequest: {
    type: 'int',
    default: 500_000,
    min: 0,
    group: 'Limits',
    unit: 'rows',
    about:
      'How many rows one request may hold; one with more is answered 413. Each row costs some 200 bytes of memory beside its text. 0: no limit.',
  },
} as const satisfies OptionTable;
