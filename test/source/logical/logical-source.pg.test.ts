import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parsePostgresAddress } from '../../../src/config/address/postgres.ts';
import { zeroTimestamp } from '../../../src/mutation/timestamp.ts';
import { LogicalSource } from '../../../src/source/logical/logical-source.ts';
import type {
  SourceStep,
  TransactionFeed,
} from '../../../src/source/source.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { plainShape } from '../../support/recording-feed.ts';
import { startSource, type TestSource } from './server/source-fixture.ts';

let source: TestSource;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logical-source-'));
  source = await startSource();
  await source.run('create table item (id text primary key)');
  await source.run('create publication pub for table item');
  await source.run(
    "select pg_create_logical_replication_slot('slot', 'pgoutput')",
  );
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Keeps the position as staging does, and counts the steps. */
class PositionFeed implements TransactionFeed {
  readonly #shape = plainShape({ item: ['id'] });
  readonly schema = this.#shape.name;
  readonly begun: { position: string; previous: string | null }[] = [];
  #position: string | null = null;
  rowCount = 0;
  /** Called with each step and each beginning. */
  onMove: () => void = () => {};

  shape() {
    return this.#shape;
  }

  refreshShape() {
    return Promise.resolve(this.#shape);
  }

  position() {
    return Promise.resolve(this.#position);
  }

  begin(position: string, previous: string | null) {
    this.begun.push({ position, previous });
    this.#position = position;
    this.onMove();
    return Promise.resolve(zeroTimestamp);
  }

  advance({ tables, position }: SourceStep) {
    this.rowCount += tables.flatMap(({ mutations }) => mutations).length;
    this.#position = position;
    this.onMove();
    return Promise.resolve();
  }

  admit() {}

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      const moved = Promise.withResolvers<void>();
      this.onMove = moved.resolve;
      await moved.promise;
    }
  }
}

test('each session with the source notes a position that is new, so that no step of the one before can land behind it', async () => {
  const feed = new PositionFeed();
  const reading = new LogicalSource({
    address: parsePostgresAddress(source.server.url(), '--sourceConn'),
    slotName: 'slot',
    publicationNames: ['pub'],
    origin: 'any',
    standbyTimeoutMs: 5_000,
    feed,
    schemas: new Map([['public', feed.schema]]),
    tableName: (_, table) => table,
    onUnknown: 'refuse',
    partitionTruncate: 'refuse',
    spoolFolder: folder,
    runLimits: { rows: 1000, transactions: 1000 },
    spoolBytes: 1 << 20,
    bufferBytes: 1 << 20,
    quiescentPeriodMs: 100,
    observer: {
      dialled() {},
      unchangedToast() {},
      leftOut() {},
      transactions() {},
      staged() {},
      waitingForStaging() {},
    },
    logger: silentLogger,
  });
  const controller = new AbortController();
  const running = reading.run(controller.signal);
  await source.run("insert into item values ('a')");
  await feed.until(() => feed.rowCount === 1);

  for (const count of [2, 3]) {
    await source.run(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where active',
    );
    await feed.until(() => feed.begun.length >= count);
  }
  controller.abort();
  await running;

  for (const { position, previous } of feed.begun) {
    expect(position).not.toBe(previous);
  }
});
