/**
 * `node certificates.ts FOLDER HOST`: the playground's certificates as PEM
 * files, and changefeed.sql, which carries the client's in the sink's URL the
 * way CockroachDB wants them.
 */
import { existsSync } from 'node:fs';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sinkUrl } from '../src/cli/trial/feed-statement.ts';
import { createCertificates } from '../src/lib/certificates.ts';

/** `node`, the user of the image. */
const IMAGE_USER_ID = 1000;

const [folder, host] = process.argv.slice(2);
if (folder === undefined || host === undefined) {
  throw new Error('usage: node certificates.ts FOLDER HOST');
}
// Kept over restarts: the changefeed goes on with those it was given.
if (!existsSync(join(folder, 'changefeed.sql'))) {
  await makeAll(folder, host);
}

async function makeAll(into: string, serverName: string): Promise<void> {
  const { ca, server, client } = await createCertificates({
    hosts: [serverName, 'localhost', '127.0.0.1'],
    days: 365,
  });
  const sink = sinkUrl({
    authority: `${serverName}:26258`,
    schema: ['shop', 'public'],
    caCert: ca.cert,
    client,
  });
  const files = {
    'ca.pem': ca.cert,
    'server.pem': server.cert,
    'server-key.pem': server.key,
    'changefeed.sql': changefeedStatement(sink),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(into, name);
    await writeFile(path, text, { mode: 0o600 });
    if (process.getuid?.() === 0) {
      await chown(path, IMAGE_USER_ID, IMAGE_USER_ID);
    }
  }
}

function changefeedStatement(sink: string): string {
  return `create changefeed for table shop.public.customer, shop.public.purchase
into '${sink}'
with updated, resolved = '250ms', min_checkpoint_frequency = '250ms',
  initial_scan = 'yes',
  webhook_client_timeout = '10s',
  webhook_sink_config = '{"Flush": {"Bytes": 1048576, "Frequency": "250ms"}}';
`;
}
