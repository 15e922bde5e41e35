import type { PostgresAddress } from '../../config/address/postgres.ts';
import type { PglogicalValues } from '../../config/options.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import { printLsn } from '../../source/logical/server/lsn.ts';
import {
  createPublication,
  createPublicationStatement,
  createSlot,
  createSlotStatement,
} from '../../source/logical/server/slot-admin.ts';
import { parsePosition } from '../../source/logical/server/slot-position.ts';
import { readSlot } from '../../source/logical/server/slot-state.ts';
import {
  requireSource,
  sourceFindings,
} from '../../source/logical/server/source-checks.ts';
import { requireContinuity } from '../../source/logical/server/source-identity.ts';
import { openSourceSession } from '../../source/logical/server/source-session.ts';
import type { TransactionFeed } from '../../source/source.ts';
import type { Audit } from '../../telemetry/audit.ts';
import type { Logger } from '../../telemetry/logger.ts';

export interface PrepareSourceOptions {
  readonly values: PglogicalValues;
  readonly address: PostgresAddress;
  readonly schemas: ReadonlyMap<string, unknown>;
  readonly feed: TransactionFeed;
  readonly logger: Logger;
  readonly audit: Audit;
}

/** Of `--publicationName`: several stand between commas. */
export function publicationNames({
  publicationName,
}: {
  readonly publicationName: string;
}): string[] {
  return publicationName
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/**
 * Looks whether the source can be read, makes what it was asked to make, and
 * says aloud what may go wrong later. Throws E6001 to E6003 or E6005 to E6008.
 *
 * The publication comes before the slot: changes are decoded with the catalog
 * as it was then, and one from before the publication could never be read.
 */
export async function prepareSource(
  { values, address, schemas, feed, logger, audit }: PrepareSourceOptions,
  signal: AbortSignal,
): Promise<void> {
  const { slotName } = values;
  // A slot that was read before and is gone must not be made anew.
  const isNew = (await feed.position()) === null;
  await using session = await openSourceSession(address, signal);
  const needs = {
    slotName,
    publicationNames: publicationNames(values),
    schemas: [...schemas.keys()],
    willCreateSlot: isNew && values.createSlot,
    willCreatePublication: values.createPublication,
    slotFailover: values.slotFailover,
    standbyTimeoutMs: values.standbyTimeout,
    origin: values.origin,
  };
  try {
    if (!isNew) {
      // First: where a slot that was read is gone, making one is no way out.
      await requireContinuity(session, slotName, async () =>
        parsePosition(await feed.position(), slotName),
      );
    }
    await requireSource(session, needs);
  } catch (error) {
    // Somebody reads it now: this daemon waits for its turn.
    if (!(error instanceof ReplicatorError && error.code === 'E6004')) {
      throw error;
    }
  }
  if (values.createPublication) {
    await refuseToHarm();
    for (const name of needs.publicationNames) {
      await createPublicationIfMissing(name);
    }
  }
  if (needs.willCreateSlot && (await readSlot(session, slotName)) === null) {
    const slot = { slotName, failover: values.slotFailover };
    logger.info(createSlotStatement(session.versionNumber, slot));
    logger.info(
      'creating the slot; this waits for the transactions that write at the source now',
    );
    const lsn = await audit.act(
      'slot creation',
      { source: address.display, ...slot },
      () => createSlot(session, slot),
    );
    logger.info({ lsn: printLsn(lsn) }, 'the slot is there');
  }
  for (const finding of await sourceFindings(session, needs)) {
    if (finding.level === 'warn') {
      logger.warn(
        `source: ${finding.text}${finding.remedy === undefined ? '' : `: ${finding.remedy}`}`,
      );
    }
  }

  /** What is published and has no identity, the source would not let change. */
  async function refuseToHarm(): Promise<void> {
    const faults = (await sourceFindings(session, needs)).filter(
      ({ level }) => level === 'error',
    );
    for (const { text, remedy } of faults) {
      logger.error(`source: ${text}: ${remedy}`);
    }
    if (faults.length > 0) {
      throw new ReplicatorError('E6007', {
        detail: `--createPublication is not done: ${faults[0]!.text}`,
        remedy: `${faults[0]!.remedy}; or create the publication by hand, for the tables that it should have`,
      });
    }
  }

  async function createPublicationIfMissing(name: string): Promise<void> {
    const found = await session.query(
      'select 1 from pg_publication where pubname = $1',
      [name],
    );
    if (found.length === 0) {
      const publication = { name, schemas: needs.schemas };
      logger.info(await createPublicationStatement(session, publication));
      await audit.act(
        'publication creation',
        { source: address.display, ...publication },
        () => createPublication(session, publication),
      );
    }
  }
}
