/** The text of CREATE CHANGEFEED, with every name and value quoted. */
import type { TableName } from './table-list.ts';

export interface FeedOptions {
  readonly tables: readonly TableName[];
  /** `replicator.example.com:26258`, as it stands in a URL. */
  readonly authority: string;
  readonly schema: readonly string[];
  /** PEM texts; null leaves the parameter out. */
  readonly caCert: string | null;
  readonly client: { readonly cert: string; readonly key: string } | null;
  /** Null for none; else without "Bearer". */
  readonly token: string | null;
  /** Null sends every row once first. */
  readonly cursor: string | null;
}

/** Ends with a semicolon; no comment, no line end behind it. */
export function feedStatement(options: FeedOptions): string {
  const settings: [string, string | null][] = [
    ['updated', null],
    ['resolved', '250ms'],
    ['min_checkpoint_frequency', '250ms'],
    ...(options.cursor === null
      ? []
      : ([
          ['initial_scan', 'no'],
          ['cursor', options.cursor],
        ] as [string, string][])),
    ['webhook_client_timeout', '10s'],
    ['webhook_sink_config', '{"Flush":{"Bytes":1048576,"Frequency":"1s"}}'],
    ...(options.token === null
      ? []
      : ([['webhook_auth_header', `Bearer ${options.token}`]] as [
          string,
          string,
        ][])),
  ];
  const tables = options.tables.map((parts) =>
    parts.map(quoteIdentifier).join('.'),
  );
  const withs = settings.map(([name, value]) =>
    value === null ? name : `${name} = ${quoteText(value)}`,
  );
  return `CREATE CHANGEFEED FOR TABLE ${tables.join(', ')}
  INTO ${quoteText(sinkUrl(options))}
  WITH ${withs.join(',\n    ')};`;
}

/** Certificates are base64 of the whole PEM text, then percent-encoded. */
export function sinkUrl({
  authority,
  schema,
  caCert,
  client,
}: Pick<FeedOptions, 'authority' | 'schema' | 'caCert' | 'client'>): string {
  const path = schema.map(percentEncode).join('/');
  const parameters = Object.entries({
    ca_cert: caCert,
    client_cert: client?.cert ?? null,
    client_key: client?.key ?? null,
  }).flatMap(([name, text]) =>
    text === null
      ? []
      : [`${name}=${percentEncode(Buffer.from(text).toString('base64'))}`],
  );
  const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`;
  return `webhook-https://${authority}/${path}${query}`;
}

/** All but letters, digits, `-`, `_`, `.` and `~`. */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Always in quotes: a bare word might be a keyword, or lose its case. */
function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
