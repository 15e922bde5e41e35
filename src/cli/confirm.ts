import { createInterface } from 'node:readline/promises';
import { ReplicatorError } from '../failure/failure.ts';
import type { CommandIo } from './command.ts';

/** Asks on the terminal; throws E5007 where there is none. */
export async function confirmed(
  io: CommandIo,
  question: string,
): Promise<boolean> {
  const terminal = io.stdin as NodeJS.ReadStream;
  if (terminal.isTTY !== true) {
    throw new ReplicatorError('E5007', {
      detail: 'there is no terminal to ask on, so nothing was changed',
      remedy: 'add --yes when you are sure',
    });
  }
  const questions = createInterface({ input: terminal, output: io.stderr });
  try {
    const answer = await questions.question(`${question} Type yes: `, {
      signal: io.signal,
    });
    return answer.trim().toLowerCase() === 'yes';
  } finally {
    questions.close();
  }
}
