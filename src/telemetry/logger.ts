/** The log of the process: text for people or fluent JSON, never a secret. */
import { pino } from 'pino';
import { redactDeep } from '../config/redact.ts';
import { ReplicatorError } from '../failure/failure.ts';
import { shownMessage, shownStack } from '../failure/shown-message.ts';
import type { Metrics } from './metrics.ts';
import { textLine } from './text-line.ts';

export type Logger = pino.Logger;

export interface LoggerOptions {
  readonly logFormat: 'text' | 'fluent';
  /** Appended to; empty is stdout. */
  readonly logDestination: string;
  /** 0 info, 1 debug, 2 trace. */
  readonly verbose: number;
}

export interface OpenLogger extends Disposable {
  readonly logger: Logger;
  /** Opens the file anew, after it was rotated (SIGHUP). */
  reopen(): void;
}

/** A log that writes nothing, for tests and for those who did not ask. */
export const silentLogger: Logger = pino({ level: 'silent' });

/** Where lines go; the process's own is made by {@link openLogger}. */
export interface LineSink {
  write(line: string): void;
}

const severities: Readonly<Record<string, string>> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'CRITICAL',
};

/**
 * Writes synchronously: the last line before a crash is there, and a log of
 * some lines a minute costs nothing. Throws E5005 when the file cannot be
 * opened.
 */
export function openLogger(
  options: LoggerOptions,
  metrics?: Metrics,
): OpenLogger {
  const destination = openDestination(options.logDestination);
  return {
    logger: createLogger(options, destination, metrics),
    reopen: () => {
      if (options.logDestination !== '') {
        destination.reopen();
      }
    },
    [Symbol.dispose]: () => {
      destination.flushSync();
    },
  };
}

/** The logger over any sink of lines. */
export function createLogger(
  options: Pick<LoggerOptions, 'logFormat' | 'verbose'>,
  sink: LineSink,
  metrics?: Metrics,
): Logger {
  const fluent = options.logFormat === 'fluent';
  return pino(
    {
      level: levelOf(options.verbose),
      base: null,
      messageKey: fluent ? 'message' : 'msg',
      timestamp: fluent
        ? () => `,"time":"${new Date().toISOString()}"`
        : pino.stdTimeFunctions.epochTime,
      formatters: fluent
        ? { level: (label) => ({ severity: severities[label] ?? label }) }
        : {},
      serializers: {
        err: errorRecord(options.verbose),
        error: errorRecord(options.verbose),
      },
      hooks: {
        logMethod(args, method, level) {
          metrics?.log_message_count.inc({
            level: pino.levels.labels[level] ?? String(level),
          });
          return method.apply(this, args);
        },
      },
    },
    {
      write(line: string) {
        const safe = redactDeep(JSON.parse(line)) as Record<string, unknown>;
        sink.write(fluent ? `${JSON.stringify(safe)}\n` : textLine(safe));
      },
    },
  );
}

function openDestination(path: string): ReturnType<typeof pino.destination> {
  try {
    return pino.destination(
      path === ''
        ? { dest: 1, sync: true }
        : { dest: path, sync: true, append: true, mkdir: true },
    );
  } catch (error) {
    throw new ReplicatorError('E5005', {
      detail: `--logDestination ${path} cannot be opened`,
      cause: error,
    });
  }
}

function levelOf(verbose: number): pino.Level {
  return verbose >= 2 ? 'trace' : verbose === 1 ? 'debug' : 'info';
}

/**
 * Code and remedy beside the message; the cause's message, not its fields.
 * What a database says may quote a row: its words are for trace alone.
 */
function errorRecord(verbose: number): (error: unknown) => unknown {
  const isTrace = verbose >= 2;
  const messageOf = (error: Error): string =>
    isTrace ? error.message : shownMessage(error);
  return (error) => {
    if (!(error instanceof Error)) {
      return error === null || error === undefined
        ? undefined
        : {
            message: typeof error === 'string' ? error : JSON.stringify(error),
          };
    }
    const causes = causesOf(error).map(messageOf);
    const message = messageOf(error);
    return {
      ...('code' in error ? { code: String(error.code) } : {}),
      message,
      ...(error instanceof ReplicatorError ? { remedy: error.remedy } : {}),
      ...(causes.length === 0 ? {} : { cause: causes.join(': ') }),
      stack: shownStack(error, message),
    };
  };
}

/** The chain behind an error, which may be a ring. */
function causesOf(error: Error): Error[] {
  const causes: Error[] = [];
  for (
    let cause = error.cause;
    cause instanceof Error && !causes.includes(cause) && causes.length < 5;
    cause = cause.cause
  ) {
    causes.push(cause);
  }
  return causes;
}
