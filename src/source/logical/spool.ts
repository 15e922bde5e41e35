/**
 * Transactions that the server streams before they have ended. Each waits in
 * a file of its own, as the messages that came, until its commit gives it a
 * time; PostgreSQL's own subscriber does the same.
 *
 *     chunk ─► file          stream commit ─► read back, message by message
 *                            stream abort  ─► forgotten, whole or in part
 *
 * The files have no name while they are open, so that nothing is left of them
 * however the process ends. What was in them the slot sends again.
 *
 * A record is its length, the subtransaction's id, and the message.
 */
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const recordHeadBytes = 8;
const blockBytes = 256 * 1024;

/** The files have outgrown their limit. */
export class SpoolFull extends Error {}

interface SpooledTransaction {
  /** Null until the first block is written. */
  file: FileHandle | null;
  writtenBytes: number;
  /** Records not written yet. */
  parts: Buffer[];
  partBytes: number;
  readonly abortedSubXids: Set<number>;
}

export class Spool implements AsyncDisposable {
  readonly #folder: string;
  readonly #transactions = new Map<number, SpooledTransaction>();
  #fileCount = 0;

  /** `folder` is made when it is first needed. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Bytes that wait, in files and in memory. */
  get sizeBytes(): number {
    let bytes = 0;
    for (const { writtenBytes, partBytes } of this.#transactions.values()) {
      bytes += writtenBytes + partBytes;
    }
    return bytes;
  }

  get transactionCount(): number {
    return this.#transactions.size;
  }

  /** Keeps a message; a promise must be waited for before the next call. */
  put(xid: number, subXid: number, message: Buffer): Promise<void> | undefined {
    const transaction = this.#transaction(xid);
    const head = Buffer.allocUnsafe(recordHeadBytes);
    head.writeUInt32BE(message.length, 0);
    head.writeUInt32BE(subXid, 4);
    // A copy: the message is a view into what the socket has read.
    transaction.parts.push(head, Buffer.from(message));
    transaction.partBytes += recordHeadBytes + message.length;
    return transaction.partBytes >= blockBytes
      ? this.#write(transaction)
      : undefined;
  }

  /** A savepoint of the transaction was rolled back. */
  abortPart(xid: number, subXid: number): void {
    this.#transactions.get(xid)?.abortedSubXids.add(subXid);
  }

  /** The transaction was rolled back. */
  async abort(xid: number): Promise<void> {
    const transaction = this.#transactions.get(xid);
    this.#transactions.delete(xid);
    await transaction?.file?.close();
  }

  /** The messages of a transaction in order, without what was rolled back. */
  async *take(xid: number): AsyncGenerator<Buffer> {
    const transaction = this.#transactions.get(xid);
    if (transaction === undefined) {
      return;
    }
    try {
      for await (const { subXid, message } of records(transaction)) {
        if (!transaction.abortedSubXids.has(subXid)) {
          yield message;
        }
      }
    } finally {
      await this.abort(xid);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const xid of this.#transactions.keys()) {
      await this.abort(xid);
    }
  }

  #transaction(xid: number): SpooledTransaction {
    let transaction = this.#transactions.get(xid);
    if (transaction === undefined) {
      transaction = {
        file: null,
        writtenBytes: 0,
        parts: [],
        partBytes: 0,
        abortedSubXids: new Set(),
      };
      this.#transactions.set(xid, transaction);
    }
    return transaction;
  }

  async #write(transaction: SpooledTransaction): Promise<void> {
    const block = Buffer.concat(transaction.parts, transaction.partBytes);
    transaction.parts = [];
    transaction.partBytes = 0;
    transaction.file ??= await this.#namelessFile();
    await transaction.file.appendFile(block);
    transaction.writtenBytes += block.length;
  }

  async #namelessFile(): Promise<FileHandle> {
    await mkdir(this.#folder, { recursive: true });
    this.#fileCount += 1;
    const path = join(
      this.#folder,
      `streamed-${process.pid}-${this.#fileCount}`,
    );
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    return file;
  }
}

async function* records({
  file,
  writtenBytes,
  parts,
}: SpooledTransaction): AsyncGenerator<{ subXid: number; message: Buffer }> {
  let rest = Buffer.alloc(0);
  for (let at = 0; at < writtenBytes;) {
    // A record larger than a block is joined once.
    const wantedBytes = Math.max(blockBytes, missingBytes(rest));
    const block = Buffer.allocUnsafe(Math.min(wantedBytes, writtenBytes - at));
    const { bytesRead } = await file!.read(block, 0, block.length, at);
    if (bytesRead === 0) {
      throw new Error('a spooled transaction is shorter than it was written');
    }
    at += bytesRead;
    rest = Buffer.concat([rest, block.subarray(0, bytesRead)]);
    rest = yield* cutRecords(rest);
  }
  yield* cutRecords(Buffer.concat([rest, ...parts]));
}

/** Of the record that begins with `rest`; 0 while its head is not there. */
function missingBytes(rest: Buffer): number {
  return rest.length < recordHeadBytes
    ? 0
    : recordHeadBytes + rest.readUInt32BE(0) - rest.length;
}

/** Returns what is left behind the last whole record. */
function* cutRecords(
  buffer: Buffer<ArrayBuffer>,
): Generator<{ subXid: number; message: Buffer }, Buffer<ArrayBuffer>> {
  let at = 0;
  while (buffer.length - at >= recordHeadBytes) {
    const end = at + recordHeadBytes + buffer.readUInt32BE(at);
    if (end > buffer.length) {
      break;
    }
    yield {
      subXid: buffer.readUInt32BE(at + 4),
      message: buffer.subarray(at + recordHeadBytes, end),
    };
    at = end;
  }
  return buffer.subarray(at);
}
