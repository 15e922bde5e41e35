/** One line of what preflight finds. `error` makes its exit code 1. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'error';
  readonly subject: 'options' | 'source' | 'target' | 'staging';
  readonly text: string;
  readonly remedy?: string;
}

/** More findings of one and the same fault than this become one last line. */
const listedSubjects = 20;

/** One finding for each of the first subjects, and one for all the others. */
export function listedFindings<Subject>(
  subjects: readonly Subject[],
  finding: (subject: Subject) => Finding,
  /** What the subjects are, in the plural: `tables`. */
  noun: string,
): Finding[] {
  const findings = subjects.slice(0, listedSubjects).map(finding);
  const restCount = subjects.length - findings.length;
  const last = findings.at(-1);
  return restCount === 0 || last === undefined
    ? findings
    : [
        ...findings,
        { ...last, text: `the same holds for ${restCount} more ${noun}` },
      ];
}
