import { ReplicatorError } from '../failure/failure.ts';
import { count } from '../lib/count.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import { AheadCeiling } from '../sequencer/ahead/ahead-ceiling.ts';
import { linkedTables } from '../sequencer/ahead/free-tables.ts';
import type { BestEffortOptions } from '../sequencer/ahead/mode-switch.ts';
import { RunAhead } from '../sequencer/ahead/run-ahead.ts';
import { lastMode, noteMode } from '../sequencer/mode-memo.ts';
import type { SequencerContext } from '../sequencer/sequencer.ts';
import type { StagingStore } from '../staging/staging.ts';
import type { SchemaShape } from '../target/target.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { PipelineOptions } from './pipeline-options.ts';
import type { PipelineStatus } from './watching/status.ts';

const noBestEffort: BestEffortOptions = {
  only: false,
  windowMs: 0,
  maxKeys: 0,
  nowMs: Date.now,
};

/** So many tables are named in a refusal. */
const namedCount = 5;

/** See `--immediateForeignKeys`; throws E3010. */
export function refuseForeignKeys(
  {
    mode,
    immediateForeignKeys,
  }: Pick<PipelineOptions, 'mode' | 'immediateForeignKeys'>,
  shape: SchemaShape,
): void {
  if (mode !== 'immediate' || immediateForeignKeys) {
    return;
  }
  const tables = linkedTables(shape);
  if (tables.length > 0) {
    const others = tables.length - namedCount;
    throw new ReplicatorError('E3010', {
      detail: `foreign keys link ${tables.slice(0, namedCount).join(', ')}${others > 0 ? ` and ${count(others, 'other table', 'other tables')}` : ''} of ${shape.name}`,
    });
  }
}

/** Null where nothing goes ahead of the consistent mode, nor ever has. */
export async function openAhead(
  context: SequencerContext,
  applied: Timestamp,
  pipeline: {
    readonly options: PipelineOptions;
    readonly status: PipelineStatus;
    readonly logger: Logger;
  },
): Promise<RunAhead | null> {
  const { status, options, logger } = pipeline;
  status.mode = 'consistent';
  return await RunAhead.open(
    context,
    {
      ...(options.bestEffort ?? noBestEffort),
      onSwitch: (isOn) => {
        status.mode = isOn ? 'best-effort' : 'consistent';
        logger.info(
          { mode: status.mode, applied: status.applied },
          isOn
            ? 'best effort: rows of tables that stand alone go ahead of the resolved timestamps'
            : 'consistent again: no more rows go ahead',
        );
      },
    },
    applied,
  );
}

/**
 * Notes, before the first acknowledgement, that this mode acknowledges from now
 * on. What immediate mode may have applied beyond the watermark, in its recovery
 * too, counts as gone ahead: nothing must bring older versions back. That is what
 * is staged by now, and no row that comes later. The ceiling is noted first, so that whoever is killed between the two does it again.
 */
export async function noteConsistent(
  store: StagingStore,
  shape: SchemaShape,
): Promise<void> {
  const schema = shape.name;
  const last = await lastMode(store, schema);
  if (last === 'immediate' || last === 'recovering') {
    const ceiling = await AheadCeiling.load(store, schema);
    await ceiling.coverExactly(
      // Of those that do not stand alone one may from tomorrow on.
      [...shape.tables.keys()],
      await store.latest(schema),
    );
  }
  await noteMode(store, schema, 'consistent');
}

/** Runs both until the first has ended; what goes ahead never ends it. */
export async function runBeside(
  ahead: RunAhead | null,
  sequencer: { run(abort: AbortSignal): Promise<void> },
  abort: AbortSignal,
): Promise<void> {
  const running = ahead?.run(abort);
  try {
    await sequencer.run(abort);
  } finally {
    ahead?.stop();
    await running;
  }
}
