/**
 * The process of the case slot-decode: reads a slot to the end of the backlog
 * with the daemon's own stream and decoder, keeps nothing, and prints what it
 * took as one line of JSON.
 *
 *     node bench/sources/read-slot.ts URL SLOT LSN PLUGIN-OPTIONS
 */
import { parsePostgresAddress } from '../../src/config/address/postgres.ts';
import { parseLsn } from '../../src/source/logical/lsn.ts';
import {
  messageKind,
  messageKinds,
  readBegin,
} from '../../src/source/logical/pgoutput.ts';
import { WalStream } from '../../src/source/logical/wal-stream.ts';

const rowKinds = new Set<number>([
  messageKinds.insert,
  messageKinds.update,
  messageKinds.delete,
]);

const [url, slotName, endLsn, plugin] = process.argv.slice(2);
const end = parseLsn(endLsn!);
const stream = await WalStream.open(
  {
    address: parsePostgresAddress(url!, '--sourceConn'),
    slotName: slotName!,
    from: 0n,
    plugin: JSON.parse(plugin!) as Record<string, string>,
    standbyTimeoutMs: 5000,
  },
  new AbortController().signal,
);
let changes = 0;
const before = process.cpuUsage();
await stream.run({
  message(payload) {
    const kind = messageKind(payload);
    // The transaction that marks the end lies behind it.
    if (kind === messageKinds.begin && readBegin(payload).finalLsn > end) {
      finish();
    }
    if (rowKinds.has(kind)) changes += 1;
    return undefined;
  },
  keepalive: () => undefined,
  paused: () => {},
});

function finish(): void {
  const { user, system } = process.cpuUsage(before);
  const line = {
    changes,
    cpuMicros: user + system,
    rssMiB: process.resourceUsage().maxRSS / 1024,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit());
}
