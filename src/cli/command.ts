/** The door of `cli/`: what every command is. One file per command. */
import type { OptionTable } from '../config/options.ts';

export interface CommandIo {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly stdin: NodeJS.ReadableStream;
  /** Aborted by SIGINT or SIGTERM; a second signal ends the process at once. */
  readonly signal: AbortSignal;
}

export interface Command {
  /** As typed: `start`, `staging list`. */
  readonly name: string;
  /** Paragraphs for `replicator help <command>`. */
  readonly description: string;
  /** The options it understands beside the global ones. */
  readonly options: OptionTable;
  /** Positional arguments, for the usage line: `<id>`; empty when none. */
  readonly positionals?: readonly string[];
  /** Its job is to print a secret: standard output is left as it is. */
  readonly printsSecrets?: true;
  /**
   * Resolves to the exit code. Whatever is thrown becomes one line on stderr
   * and the exit code that main.ts has for it.
   */
  run(invocation: CommandInvocation, io: CommandIo): Promise<number>;
}

export interface CommandInvocation {
  /** Values by option name, defaults filled in; see config/load.ts. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
  /** Options whose secret stands on the command line, where `ps` shows it. */
  readonly exposed?: readonly string[];
}
