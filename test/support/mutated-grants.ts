/**
 * That each grant is needed and none is missing: with all of them preflight is
 * content, and without any one of them it names that very line.
 */
import { expect } from 'vitest';
import { runCommandLine } from './captured-io.ts';

export interface MutatedGrants {
  /** Of preflight, with the addresses of an account that may see and grant. */
  readonly administrator: readonly string[];
  /** The same, as the account itself. */
  readonly account: readonly string[];
  readonly grantee: string;
  /** The part of the script that is looked at. */
  readonly section: 'staging' | 'target';
  run(sql: string): Promise<void>;
}

/** A printed line, and where it belongs. */
export interface PrintedGrant {
  readonly section: string;
  readonly statement: string;
}

const safe = ['--tlsSelfSigned', '--disableAuthentication'];

export async function printedGrants({
  administrator,
  grantee,
}: Pick<MutatedGrants, 'administrator' | 'grantee'>): Promise<PrintedGrant[]> {
  const { exitCode, stdout, stderr } = await runCommandLine([
    'preflight',
    '--print-grants',
    `--grantee=${grantee}`,
    ...safe,
    ...administrator,
  ]);
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  return parsedGrants(stdout);
}

/** As a client takes it apart: a semicolon within quotes ends nothing, nor does a line break. */
export function parsedGrants(script: string): PrintedGrant[] {
  const token =
    /--[^\n]*|;|`(?:[^`]|``)*`|"(?:[^"]|"")*"|'(?:[^'\\]|\\.|'')*'|[^-;`"']+|-/gs;
  let section = '';
  let open = '';
  const grants: PrintedGrant[] = [];
  for (const [text] of script.matchAll(token)) {
    if (text.startsWith('--')) {
      section = /^-- (source|staging|target)\b/.exec(text)?.[1] ?? section;
    } else if (text === ';') {
      grants.push({ section, statement: `${open.trimStart()};` });
      open = '';
    } else {
      open += text;
    }
  }
  expect(open.trim()).toBe('');
  return grants;
}

/** One for each privilege of the statement: what takes it away, and gives it back. */
export function mutationsOf(
  statement: string,
): { readonly take: string; readonly give: string }[] {
  const [, privileges, rest] =
    /^GRANT ([A-Z, ]+?)( ON [\s\S]+) TO \S+;$/.exec(statement) ?? [];
  const grantee = / TO (\S+);$/.exec(statement)?.[1];
  return (privileges ?? '').split(', ').flatMap((privilege) =>
    privilege === ''
      ? []
      : [
          {
            take: `REVOKE ${privilege}${rest} FROM ${grantee};`,
            give: statement,
          },
        ],
  );
}

async function faults(argv: readonly string[]): Promise<string[]> {
  const { stdout, stderr } = await runCommandLine([
    'preflight',
    ...safe,
    ...argv,
  ]);
  expect(stderr).toBe('');
  return stdout
    .trimEnd()
    .split('\n')
    .filter((line) => /^(warn|error) +(source|staging|target) /.test(line));
}

/** Grants all, then takes each privilege away by itself. Resolves to what was taken. */
export async function expectEachGrantNamed(
  world: MutatedGrants,
  /** Findings that are there whatever is granted. */
  isExpected: (line: string) => boolean = () => false,
): Promise<string[]> {
  const grants = (await printedGrants(world)).filter(
    ({ section }) => section === world.section,
  );
  for (const { statement } of grants) {
    await world.run(statement);
  }
  const findings = async (): Promise<string[]> =>
    (await faults(world.account)).filter((line) => !isExpected(line));
  expect(await findings()).toEqual([]);
  // Idempotent: the same again, and nothing more to grant.
  for (const { statement } of grants) {
    await world.run(statement);
  }
  const taken: string[] = [];
  for (const { statement } of grants) {
    for (const { take, give } of mutationsOf(statement)) {
      await world.run(take);
      const lines = await findings();
      expect(lines, take).not.toEqual([]);
      expect(lines.join('\n'), take).toContain(
        statement.replace(/\s*[\r\n]+\s*/g, ' '),
      );
      await world.run(give);
      taken.push(take);
    }
  }
  expect(await findings()).toEqual([]);
  return taken;
}
