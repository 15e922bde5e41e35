/** A secret that is easy to find again, however it was respelled or cut. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface PlantedSecret {
  /** With characters that must be encoded, quoted or escaped somewhere. */
  readonly raw: string;
  /** As a password in a URL. */
  readonly encoded: string;
  /** Plain words of it: half of a secret is one too. */
  readonly cores: readonly string[];
}

let count = 0;

export function plantedSecret(): PlantedSecret {
  count += 1;
  const id = String(count).padStart(3, '0');
  const cores = [`Qx${id}Zk7`, `Wv${id}Jh3`, `Yb${id}Nd9`];
  const raw = `${cores[0]}'"&=${cores[1]} @:/?#%\\+${cores[2]}é`;
  return { raw, encoded: encodeURIComponent(raw), cores };
}

/** Where a text gives it away, in whatever spelling; empty when nowhere. */
export function tracesOf(
  text: string,
  secrets: readonly PlantedSecret[],
): string[] {
  const folded = text.toLowerCase();
  return secrets.flatMap(({ cores }) =>
    cores.flatMap((core) =>
      [core, ...base64Forms(core), Buffer.from(core).toString('hex')]
        // Base64 is told apart by case: what was folded must be long enough.
        .filter((form) => folded.includes(form.toLowerCase()))
        .map((form) => {
          const at = folded.indexOf(form.toLowerCase());
          return `${form} in …${text.slice(Math.max(0, at - 120), at + 60)}…`;
        }),
    ),
  );
}

/** What base64 of any text that contains the word contains. */
function base64Forms(core: string): string[] {
  return [0, 1, 2].map((before) =>
    Buffer.from(`${'\0'.repeat(before)}${core}`)
      .toString('base64')
      .replace(/=+$/, '')
      // The first and last letters hold bits of neighbours too.
      .slice(before === 0 ? 0 : before + 1, -1),
  );
}

/** The contents of all files below a folder, but for those that are inputs. */
export function filesBelow(folder: string, except: RegExp): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !except.test(name))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n');
}
