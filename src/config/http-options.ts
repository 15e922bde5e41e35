import type { OptionTable } from './option-entry.ts';

export const httpOptions = {
  bindAddr: {
    type: 'string',
    default: ':26258',
    group: 'HTTP',
    about:
      'The host:port that listens for changefeeds; without a host it is every address of the machine.',
  },
  tlsCertificate: {
    type: 'string',
    default: '',
    group: 'HTTP',
    about:
      'The PEM file of the server certificate, with its intermediate certificates behind it. Read again when it changes, and on SIGHUP.',
  },
  tlsPrivateKey: {
    type: 'string',
    default: '',
    group: 'HTTP',
    about:
      'The PEM file of the private key of --tlsCertificate, not encrypted. Read again when it changes, and on SIGHUP.',
  },
  tlsSelfSigned: {
    type: 'boolean',
    default: false,
    group: 'HTTP',
    about:
      'Make a certificate for localhost at each start instead of reading one. For trying things out: a changefeed must skip its verification.',
  },
  tlsClientCA: {
    type: 'string',
    default: '',
    group: 'HTTP',
    about:
      'The PEM file of the authorities that sign client certificates. Every caller must then show one (client_cert and client_key in the changefeed URL). The roots must stand in it; those in between may. Read again when it changes, and on SIGHUP.',
  },
  tlsAllowedSubjects: {
    type: 'string',
    default: '',
    refusesEmpty: true,
    group: 'HTTP',
    about:
      'Which client certificates may send to which target schema, as pairs with commas between: shop.public=cn:feed-shop, *=dns:*.feeds.example.com. Behind = stands what the certificate must show: cn: (the one common name), dns:, uri: or email: (alternative names); all are compared sign by sign, and * stands for one whole first label of dns: only. Before it stands the target schema; * is any one part of it, alone any schema. What no pair names is refused (403). Without the option every certificate of --tlsClientCA may send to every schema.',
  },
  authentication: {
    type: 'enum',
    values: ['', 'certificate', 'token', 'both'],
    default: '',
    group: 'HTTP',
    about:
      'What every caller must show: a client certificate signed by --tlsClientCA, a token (Authorization: Bearer, or access_token in the changefeed URL) signed by a key of `replicator jwt add-key`, or both of them. What is not asked for is not looked at. Empty is certificate where --tlsClientCA is given, else token.',
  },
  jwtAudience: {
    type: 'string',
    default: '',
    refusesEmpty: true,
    group: 'HTTP',
    about:
      'The name of this daemon in the claim aud of a token. Given, every token must bear it; empty, a token that bears an aud is for somebody else and is refused.',
  },
  disableAuthentication: {
    type: 'boolean',
    default: false,
    group: 'HTTP',
    about:
      'Accept changes from any caller: nobody is asked for a certificate or a token.',
  },
  insecureHttp: {
    type: 'boolean',
    default: false,
    group: 'HTTP',
    about:
      'Allow cleartext HTTP on an address that other machines reach. Without it, cleartext is served on a loopback address only.',
  },
  httpResponseTimeout: {
    type: 'duration',
    default: 120_000,
    min: 1,
    group: 'HTTP',
    about:
      'How long a request may wait for its changes to become durable (with --immediate: applied) before it is answered 503.',
  },
  healthCheckTimeout: {
    type: 'duration',
    default: 5000,
    min: 1,
    group: 'HTTP',
    about: 'How long /_/healthz waits for staging and target to answer.',
  },
  ndjsonBufferSize: {
    type: 'bytes',
    default: 65_536,
    min: 1024,
    group: 'HTTP',
    about: 'The longest line of an ndjson body.',
  },
  maxBodyBytes: {
    type: 'bytes',
    default: 64 * 2 ** 20,
    min: 1024,
    group: 'Limits',
    about:
      'The largest request body as it arrives; a larger one is answered 413.',
  },
  maxInflatedBytes: {
    type: 'bytes',
    default: 256 * 2 ** 20,
    min: 1024,
    group: 'Limits',
    about:
      'The largest request body after decompression; a larger one is answered 413.',
  },
  maxJsonDepth: {
    type: 'int',
    default: 128,
    min: 8,
    // Beyond 3 700 levels the stack of a thread ends (measured).
    max: 1_000,
    group: 'Limits',
    unit: 'levels',
    about: 'How deep JSON may be nested; a deeper body is answered 400.',
  },
  memoryLimit: {
    type: 'bytes',
    default: 512 * 2 ** 20,
    min: 64 * 2 ** 20,
    group: 'Limits',
    about:
      'How many bytes of changes the daemon holds in memory at once: request bodies on one side, batches on their way to the target on the other. At the limit it reads more slowly, then answers 503.',
  },
  discard: {
    type: 'boolean',
    default: false,
    group: 'HTTP',
    about:
      'Dangerous: answer 200 and throw every change away, to measure the network alone.',
  },
  discardDelay: {
    type: 'duration',
    default: 0,
    min: 0,
    group: 'HTTP',
    about:
      'With --discard, wait this long, half of it before and half after the body is read.',
  },
} as const satisfies OptionTable;
