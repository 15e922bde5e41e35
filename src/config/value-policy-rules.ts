/** The text of `--valuePolicy`: which columns may take another value. */
import { ReplicatorError } from '../failure/failure.ts';
import { nearestName } from './nearest-name.ts';

const policyWords = ['error', 'null', 'clamp'] as const;

export interface ValuePolicyRule {
  /** Schema (with or without what stands before it), if given; table; column. */
  readonly path: readonly NamePattern[];
  readonly policy: (typeof policyWords)[number];
}

/** Null: any. A name without quotes is meant in either case. */
export type NamePattern = {
  readonly text: string;
  readonly exact: boolean;
} | null;

/** Names, dots between them, and what is set: `a."B.c".*=clamp`. */
const namePattern = /"((?:[^"]|"")+)"|(\*)|([^\s".,=*]+)/y;
const example = 'for instance --valuePolicy "orders.note=clamp,*.rate=null"';

/** Later rules win over earlier ones. Throws E5002. */
export function parseValuePolicyRules(text: string): ValuePolicyRule[] {
  const rules: ValuePolicyRule[] = [];
  let at = 0;
  const skipBlanks = (): void => {
    while (/\s/.test(text.charAt(at))) {
      at += 1;
    }
  };
  for (skipBlanks(); at < text.length; skipBlanks()) {
    const start = at;
    const path: NamePattern[] = [];
    do {
      namePattern.lastIndex = at;
      const match = namePattern.exec(text);
      if (!match) {
        throw invalid(ruleAt(text, start), 'is not a table and a column');
      }
      path.push(patternOf(match));
      at = namePattern.lastIndex;
    } while (text.charAt(at) === '.' && (at += 1));
    skipBlanks();
    if (path.length < 2 || path.length > 4 || text.charAt(at) !== '=') {
      throw invalid(ruleAt(text, start), 'is not a table and a column');
    }
    const end = endOfRule(text, at);
    rules.push({ path, policy: policyOf(text.slice(at + 1, end).trim()) });
    at = end + 1;
  }
  return rules;
}

function patternOf([, quoted, any, plain]: RegExpExecArray): NamePattern {
  return any === undefined
    ? {
        text: quoted?.replaceAll('""', '"') ?? plain!,
        exact: quoted !== undefined,
      }
    : null;
}

function policyOf(word: string): ValuePolicyRule['policy'] {
  const policy = policyWords.find((each) => each === word);
  if (policy === undefined) {
    const nearest = nearestName(word, policyWords);
    throw invalid(
      word,
      `is none of ${policyWords.join(', ')}`,
      nearest === null ? undefined : `write ${nearest}`,
    );
  }
  return policy;
}

function endOfRule(text: string, at: number): number {
  const comma = text.indexOf(',', at);
  return comma < 0 ? text.length : comma;
}

function ruleAt(text: string, start: number): string {
  return text.slice(start, endOfRule(text, start)).trim();
}

function invalid(
  what: string,
  problem: string,
  remedy = `write table.column=error, =null or =clamp, with commas between; ${example}`,
): ReplicatorError {
  return new ReplicatorError('E5002', {
    detail: `--valuePolicy: ${JSON.stringify(what)} ${problem}`,
    remedy,
  });
}

/** Compares from the end, so that a schema may be left out. */
export function matchesPath(
  path: readonly NamePattern[],
  names: readonly string[],
): boolean {
  return (
    path.length <= names.length &&
    path.every((pattern, index) => {
      const name = names[names.length - path.length + index]!;
      return (
        pattern === null ||
        (pattern.exact
          ? pattern.text === name
          : pattern.text.toLowerCase() === name.toLowerCase())
      );
    })
  );
}
