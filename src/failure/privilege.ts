/**
 * What the account of a target, of staging or of a source has to be allowed:
 * one list, of which `preflight --print-grants` prints all and preflight
 * itself names what is missing, with the same statement as the remedy.
 *
 * Invariant: nothing is on the list that the daemon works as well without, and
 * a daemon whose account has what is on it works.
 */
import { type Finding, listedFindings } from './finding.ts';

export interface Privilege {
  /**
   * One line of SQL, which may run again. Null where no grant helps: `why`
   * then says what does.
   */
  readonly statement: string | null;
  /** What it is for; a comment behind the statement. */
  readonly why: string;
  readonly isHeld: boolean;
  /** Of the finding where it is not held. */
  readonly level: 'warn' | 'error';
  /** What preflight says then. */
  readonly lack: string;
  /** Findings of one kind are cut short together: `tables`. */
  readonly kind: string;
}

/** A line of `--print-grants`. */
export function grantLine({ statement, why }: Privilege): string {
  return statement === null ? `-- ${why}` : `${statement} -- ${why}`;
}

export function privilegeFindings(
  subject: Finding['subject'],
  privileges: readonly Privilege[],
): Finding[] {
  const lacking = privileges.filter(({ isHeld }) => !isHeld);
  return [...Map.groupBy(lacking, ({ kind }) => kind)].flatMap(
    ([kind, ofKind]) =>
      listedFindings(
        ofKind,
        ({ level, lack, statement, why }): Finding => ({
          level,
          subject,
          text: lack,
          remedy: statement ?? why,
        }),
        kind,
      ),
  );
}

/** `SELECT, INSERT`: those of the names for which the row says no. */
export function lackingOf(
  names: readonly string[],
  isHeld: (name: string) => boolean,
): string {
  return names.filter((name) => !isHeld(name)).join(', ');
}
