/** Options from a YAML file: one line per option, named as the flags are. */
import { readFileSync } from 'node:fs';
import { ReplicatorError } from '../failure/failure.ts';
import { visibleNames } from './argv.ts';
import { nearestName } from './nearest-name.ts';
import type { OptionTable } from './option-entry.ts';
import { errnoOf } from './option-value.ts';
import { peerOptions } from './peer-options.ts';
import { shownWord } from './shown-word.ts';
import type { RawValues } from './raw-value.ts';

/**
 * One file may serve several commands: what is an option of another command
 * is passed over, what is an option of none is E5001.
 */
export async function configFileValues(
  path: string,
  table: OptionTable,
  known: OptionTable,
): Promise<{ raw: RawValues; peerNames: string[] }> {
  const raw: RawValues = new Map();
  const peerNames: string[] = [];
  for (const [name, value] of await readMapping(path)) {
    if (Object.hasOwn(peerOptions, name)) {
      peerNames.push(name);
    } else if (Object.hasOwn(table, name) && name !== 'config') {
      if (typeof value !== 'string') {
        throw new ReplicatorError('E5002', {
          detail: `${name} in ${path} is not a single value`,
        });
      }
      raw.set(name, { text: value, where: `${name} in ${path}` });
    } else if (!Object.hasOwn(known, name) || name === 'config') {
      const nearest = nearestName(name, visibleNames({ ...known, ...table }));
      throw new ReplicatorError('E5001', {
        detail: `there is no option ${shownWord(name)} (in ${path})`,
        ...(nearest === null || nearest === name
          ? { remedy: 'see docs/options.md' }
          : { remedy: `did you mean ${nearest}?` }),
      });
    }
  }
  return { raw, peerNames };
}

async function readMapping(path: string): Promise<[string, unknown][]> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ReplicatorError('E5005', {
      detail: `--config ${path} cannot be read (${errnoOf(error)})`,
      cause: error,
    });
  }
  const { parseDocument } = await import('yaml');
  // Failsafe keeps every scalar as the text that was typed.
  const document = parseDocument(text, {
    schema: 'failsafe',
    prettyErrors: true,
    uniqueKeys: true,
  });
  const error = document.errors[0];
  if (error) {
    // The library's message may quote the line, and the line may hold a secret.
    throw new ReplicatorError('E5002', {
      detail: `${path} is not valid YAML (line ${error.linePos?.[0].line ?? '?'}: ${error.code})`,
      remedy: 'write one "option: value" a line',
    });
  }
  const mapping: unknown = document.toJS();
  if (mapping === null || mapping === '' || mapping === undefined) {
    return [];
  }
  if (typeof mapping !== 'object' || Array.isArray(mapping)) {
    throw new ReplicatorError('E5002', {
      detail: `${path} holds no options`,
      remedy: 'write one "option: value" a line',
    });
  }
  return Object.entries(mapping);
}
