import type { FastifyInstance } from 'fastify';

import { redactDeep, redactText } from '../config/redact.ts';
import { LateAnswer, withinMs } from '../lib/within-ms.ts';
import { asReplicatorError } from '../failure/failure.ts';
import {
  printTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../mutation/timestamp.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Pipelines } from '../pipeline/pipelines.ts';
import { accessTokenOf } from '../source/changefeed/callers/access-token.ts';
import type { DiagnosticsGuard } from '../source/changefeed/callers/diagnostics-caller.ts';
import type { StagingStore } from '../staging/staging.ts';
import type { Target } from '../target/target.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { sharedAnswer } from './shared-answer.ts';

/** What is behind a daemon that has staging to itself. */
export interface OperatedHouse {
  readonly pipelines: Pipelines;
  readonly store: StagingStore;
  readonly target: Target;
}

export interface OperatorContext {
  readonly metrics: Metrics;
  /**
   * Before it stands: `starting`, or `waiting` while another daemon has
   * staging and this one is there to take over.
   */
  house(): OperatedHouse | 'starting' | 'waiting';
  /** A source that the daemon itself asks (a slot). */
  readonly source?: SourceStatus;
  readonly healthCheckTimeoutMs: number;
  /** Throws E1024, or a failure of its own, for one who may not see /_/diag. */
  readonly requireDiagnostics: DiagnosticsGuard;
  /** What tokens are verified with, as counts; null where nobody asks. */
  readonly authentication: () => Record<string, unknown> | null;
  /** The options in force, secrets already taken out. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly version: string;
  readonly startedAtMs: number;
}

export interface SourceStatus {
  /** One line for the health check; null when all is well. */
  readonly complaint: string | null;
  /** Its state as JSON values; no secrets, no row data. */
  diagnostics(): Record<string, unknown>;
}

/**
 * What the operator and the monitoring ask:
 *
 *     /_/varz     the metrics, for Prometheus
 *     /_/healthz  200 when staging and target answer and every pipeline runs
 *     /_/diag     the whole state as JSON; no secrets, no row data; only for
 *                 those who may see it
 */
export function addOperatorRoutes(
  app: FastifyInstance,
  context: OperatorContext,
): void {
  const metrics = sharedAnswer(() => context.metrics.registry.metrics());
  const complaintsNow = sharedAnswer(() => healthComplaints(context));
  const diagnosticsNow = sharedAnswer(() => diagnostics(context));
  app.get('/_/varz', async (_request, reply) =>
    reply.type(context.metrics.registry.contentType).send(await metrics()),
  );
  app.get('/_/healthz', async (_request, reply) => {
    const complaints = await complaintsNow();
    return reply
      .code(complaints.length === 0 ? 200 : 500)
      .type('text/plain; charset=utf-8')
      .send(
        complaints.length === 0
          ? ['OK', ...healthNotes(context), ''].join('\n')
          : `${complaints.map(redactText).join('\n')}\n`,
      );
  });
  app.get('/_/diag', async (request, reply) => {
    try {
      await context.requireDiagnostics({
        headers: request.raw.headers,
        socket: request.raw.socket,
        accessToken: accessTokenOf(request.raw),
      });
    } catch (error) {
      const failure = asReplicatorError(error);
      return reply
        .code(failure.httpStatus)
        .type('text/plain; charset=utf-8')
        .send(`${redactText(failure.line)}\n`);
    }
    return reply.type('application/json').send(
      `${JSON.stringify(redactDeep(await diagnosticsNow()), null, 2)}
`,
    );
  });
}

/** One line for each thing that is not well; empty when all is. */
async function healthComplaints(context: OperatorContext): Promise<string[]> {
  const signal = AbortSignal.timeout(context.healthCheckTimeoutMs);
  const ask = async (
    name: string,
    ping: (signal: AbortSignal) => Promise<void>,
  ): Promise<string | null> => {
    try {
      await withinMs(ping(signal), context.healthCheckTimeoutMs);
      return null;
    } catch (error) {
      return signal.aborted || error instanceof LateAnswer
        ? `${name}: no answer within ${context.healthCheckTimeoutMs} ms (--healthCheckTimeout)`
        : `${name}: ${asReplicatorError(error).line}`;
    }
  };
  const house = context.house();
  if (house === 'waiting') {
    // It is what it is there for.
    return [];
  }
  if (house === 'starting') {
    return ['starting: target, staging and source have not all answered yet'];
  }
  const { store, target, pipelines } = house;
  const answers = await Promise.all([
    ask('staging', (pingSignal) => store.ping(pingSignal)),
    ask('target', (pingSignal) => target.ping(pingSignal)),
  ]);
  answers.push(context.source?.complaint ?? null);
  for (const { schema, status } of pipelines.all) {
    for (const complaint of [status.complaint, status.feedComplaint]) {
      answers.push(complaint && `${schema}: ${complaint}`);
    }
  }
  for (const [schema, reason] of pipelines.unopened) {
    answers.push(`${schema}: not open yet: ${reason}`);
  }
  return answers.filter((answer) => answer !== null);
}

/** What a person should know though all goes on. */
function healthNotes(context: OperatorContext): string[] {
  const house = context.house();
  return typeof house === 'string'
    ? []
    : house.pipelines.all.flatMap(({ schema, status }) =>
        status.setAsideNote === null ? [] : `${schema}: ${status.setAsideNote}`,
      );
}

/** The state of the daemon, as JSON values. */
async function diagnostics(
  context: OperatorContext,
): Promise<Record<string, unknown>> {
  return {
    build: {
      version: context.version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      startedAt: isoOrNull(context.startedAtMs),
    },
    memory: process.memoryUsage(),
    options: context.options,
    auth: context.authentication(),
    ...(context.source && { source: context.source.diagnostics() }),
    ...(await houseDiagnostics(context.house())),
  };
}

async function houseDiagnostics(
  house: ReturnType<OperatorContext['house']>,
): Promise<Record<string, unknown>> {
  if (typeof house === 'string') {
    return { state: house };
  }
  const { store, target, pipelines } = house;
  return {
    staging: {
      kind: store.kind,
      ...(await store.size().catch(() => ({}))),
    },
    target: {
      engine: target.engine,
      version: await target.version().catch(() => null),
      pool: target.poolCounts(),
    },
    unopened: Object.fromEntries(pipelines.unopened),
    pipelines: pipelines.all.map((pipeline) => pipelineDiagnostics(pipeline)),
  };
}

function pipelineDiagnostics(pipeline: Pipeline): Record<string, unknown> {
  const { schema, status } = pipeline;
  return {
    schema,
    mode: status.mode,
    state: status.state,
    leader: pipeline.leader,
    error: status.lastError?.line ?? null,
    errorAt: isoOrNull(status.lastErrorAtMs),
    feedConflict: status.lastConflict?.line ?? null,
    feedConflictAt: isoOrNull(status.lastConflictAtMs),
    resolved: timestampOrNull(status.resolved),
    applied: timestampOrNull(status.applied),
    lastPostAt: isoOrNull(status.lastPostAtMs),
    lastResolvedAt: isoOrNull(status.lastResolvedAtMs),
    stagedRows: status.stagedRowCount,
    appliedRows: status.appliedRowCount,
    duplicateRows: status.duplicateRowCount,
    backlogRows: status.backlogRowCount,
    openTransactions: status.openTransactionCount,
    setAsideRows: Object.fromEntries(status.setAsideRows),
    setAsideNote: status.setAsideNote,
    tables: [...pipeline.shape().tables.keys()],
  };
}

/** Null before there is one. */
function timestampOrNull(time: Timestamp): string | null {
  return time === zeroTimestamp ? null : printTimestamp(time);
}

function isoOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}
