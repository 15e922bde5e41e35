import { readFile } from 'node:fs/promises';

import { type OptionValues, valuesOf } from '../config/options.ts';
import { ReplicatorError } from '../failure/failure.ts';
import { schemaNameParts } from '../mutation/schema-name.ts';
import { progressLine, reportLines } from '../workload/report-text.ts';
import { webhookPathOf } from '../workload/engines/open-engine.ts';
import { parseSinkUrl, type SinkAddress } from '../workload/sender.ts';
import { workloadOptions } from '../workload/workload-options.ts';
import {
  runSlotWorkload,
  runWorkload,
  type WorkloadProgress,
  type WorkloadReport,
} from '../workload/workload.ts';
import type { Command, CommandIo } from './command.ts';
import { typedSchema } from './typed-words.ts';

type WorkloadValues = OptionValues<typeof workloadOptions>;

export const workloadRunCommand: Command = {
  name: 'workload run',
  description: [
    'Writes transactions to tables that it only imagines, sends them to the webhook as CockroachDB would (rows of a transaction spread over parallel requests, versions twice, replays from an older resolved timestamp, retries until accepted), and looks at the target meanwhile: in consistent mode every look must find a state that the source had.',
    'At the end, after --seconds or at SIGINT, it lets the target catch up and compares every row of every table. Exit code 0 says that all are equal, 1 that something differs or could not be compared.',
    'With --sourceConn the source is real: a PostgreSQL database that it writes to, keys that change included, for a daemon that reads its slot. --createTables creates the tables on both sides; it begins when they are published and the slot is read, and says what it waits for. The daemon writes to them with its own account.',
    'The daemon must not hold staged rows of an earlier workload for the same schema.',
  ].join('\n\n'),
  options: workloadOptions,
  async run({ values }, io) {
    const options = valuesOf(workloadOptions, values);
    checkValues(options);
    const seed = options.seed || 1 + Math.floor(Math.random() * 2 ** 31);
    const run = await chosenRun(options, seed);
    say(io, options.json, { seed }, `seed ${seed}`);
    const over = new AbortController();
    let previous: WorkloadProgress | null = null;
    let timer: NodeJS.Timeout | undefined;
    const report = await run(
      (progress) => {
        say(io, options.json, progress, progressLine(progress, previous));
        previous = progress;
        if (options.seconds > 0 && progress.phase === 'writing') {
          timer ??= setTimeout(() => over.abort(), options.seconds * 1000);
        }
      },
      AbortSignal.any([io.signal, over.signal]),
      io.signal,
    ).finally(() => clearTimeout(timer));
    const lines = reportLines(report);
    say(io, options.json, report, lines.join('\n'));
    if (!report.verified) {
      throw new ReplicatorError('E5010', {
        detail: report.violation?.reason ?? lines.at(-1)!,
      });
    }
    return 0;
  },
};

type Run = (
  onProgress: (progress: WorkloadProgress) => void,
  signal: AbortSignal,
  cut: AbortSignal,
) => Promise<WorkloadReport>;

async function chosenRun(options: WorkloadValues, seed: number): Promise<Run> {
  const common = {
    targetUrl: options.targetConn,
    createTables: options.createTables,
    rowsPerSecond: options.rate,
    seed,
    tableRows: options.tableRows,
    lookIntervalMs: options.lookInterval,
    catchUpTimeoutMs: options.catchUpTimeout,
  };
  if (options.sourceConn !== '') {
    const slotWorkload = {
      ...common,
      sourceUrl: options.sourceConn,
      sourceSchema: options.sourceSchema,
      slotName: options.slotName,
      targetSchema: slotTargetSchema(options),
    };
    return (onProgress, signal, cut) =>
      runSlotWorkload(slotWorkload, onProgress, signal, cut);
  }
  const sink = await sinkAddress(options);
  const workload = {
    ...common,
    sink,
    targetSchema: targetSchemaOf(sink.url, options.targetConn),
    mode: options.mode,
    requestTimeoutMs: options.requestTimeout,
    gzip: options.gzip,
    diff: options.diff,
    replayIntervalMs: options.replayInterval,
    concurrentRequests: options.concurrentRequests,
    batchSize: options.batchSize,
    resolvedIntervalMs: options.resolvedInterval,
    tries: options.tries,
    retryMinMs: options.retryMin,
    retryMaxMs: Math.max(options.retryMin, options.retryMax),
    failFast: options.failFast,
  };
  return (onProgress, signal, cut) =>
    runWorkload(workload, onProgress, signal, cut);
}

function slotTargetSchema(options: WorkloadValues): string {
  const schema = typedSchema(options.targetSchema);
  if (schema === undefined) {
    throw new ReplicatorError('E5004', {
      detail: '--targetSchema must be given with --sourceConn',
    });
  }
  return schemaNameParts(schema).at(-1)!;
}

function say(io: CommandIo, json: boolean, value: object, text: string): void {
  io.stdout.write(`${json ? JSON.stringify(value) : text}\n`);
}

function checkValues(options: WorkloadValues): void {
  if (options.targetConn === '') {
    throw new ReplicatorError('E5004', {
      detail: '--targetConn must be given',
    });
  }
  if ((options.tlsCertificate === '') !== (options.tlsPrivateKey === '')) {
    throw new ReplicatorError('E5003', {
      detail: '--tlsCertificate and --tlsPrivateKey are a pair, one is missing',
      remedy: 'give both or neither',
    });
  }
}

async function sinkAddress(options: WorkloadValues): Promise<SinkAddress> {
  let address: SinkAddress;
  try {
    address = parseSinkUrl(options.url);
  } catch (error) {
    throw new ReplicatorError('E5002', {
      detail: '--url is not a URL',
      remedy: 'write https://host:port/database/schema, or /database for MySQL',
      cause: error,
    });
  }
  const [ca, cert, key] = await Promise.all(
    [
      options.tlsCACertificate,
      options.tlsCertificate,
      options.tlsPrivateKey,
    ].map(readPem),
  );
  return {
    url: address.url,
    tls: {
      ...address.tls,
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
    },
  };
}

async function readPem(path: string): Promise<string | null> {
  if (path === '') {
    return null;
  }
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ReplicatorError('E5005', {
      detail: `${path} cannot be read: ${(error as Error).message}`,
      cause: error,
    });
  }
}

/**
 * The last name of the path: `/database/schema`, or `/database` for MySQL.
 * A table may stand behind it.
 */
function targetSchemaOf(url: URL, targetConn: string): string {
  const names = webhookPathOf(targetConn);
  const schema = url.pathname.split('/').filter(Boolean)[names.length - 1];
  if (schema === undefined) {
    throw new ReplicatorError('E5002', {
      detail: `--url ends in ${url.pathname}, which names no ${names.at(-1)}`,
      remedy: `write https://host:port/${names.join('/')}`,
    });
  }
  return decodeURIComponent(schema);
}
