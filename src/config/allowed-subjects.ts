/**
 * `--tlsAllowedSubjects`: which client certificates may send to which target
 * schema. `shop.public=cn:feed-shop, *=dns:*.feeds.example.com`.
 */
import { ReplicatorError } from '../failure/failure.ts';
import { nearestName } from './nearest-name.ts';

const subjectKinds = ['cn', 'dns', 'uri', 'email'] as const;
export type SubjectKind = (typeof subjectKinds)[number];

export interface SubjectRule {
  /** The parts of a schema, null for any one part; null alone for every schema. */
  readonly schema: readonly (string | null)[] | null;
  readonly kind: SubjectKind;
  /** Of dns all lower case, of email the host; else as it must be shown. */
  readonly value: string;
}

const schemaPart = /"((?:[^"]|"")+)"|(\*)|([^\s".,=/*:]+)/y;
const kindAndValue = /([a-z]+):(?:"((?:[^"]|"")+)"|([^\s",]+))/iy;
const example =
  'write schema=cn:name, =dns:host, =uri:… or =email:…, with commas between; for instance --tlsAllowedSubjects "shop.public=cn:feed-shop, *=dns:feed.example.com"';

/**
 * Rules of one line, in any order: each lets somebody in, none keeps anybody
 * out. Throws E5002.
 */
export function parseAllowedSubjects(text: string): SubjectRule[] {
  const rules: SubjectRule[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) {
      at = pattern.lastIndex;
    }
    return match;
  };
  const skip = (character: string): boolean => {
    take(/\s*/y);
    const isThere = text.charAt(at) === character;
    at += isThere ? 1 : 0;
    take(/\s*/y);
    return isThere;
  };
  skip('');
  while (at < text.length) {
    const start = at;
    const schema: (string | null)[] = [];
    do {
      const part = take(schemaPart);
      if (!part) {
        throw invalid(text.slice(start), 'does not begin with a schema');
      }
      schema.push(
        part[2] ? null : (part[1]?.replaceAll('""', '"') ?? part[3]!),
      );
    } while (/[./]/.test(text.charAt(at)) && (at += 1));
    const isAssigned = skip('=');
    const subject = isAssigned ? take(kindAndValue) : null;
    if (!subject) {
      throw invalid(text.slice(start), 'is not a schema and a subject');
    }
    rules.push({
      schema: schema.length === 1 && schema[0] === null ? null : schema,
      ...subjectOf(
        subject[1]!,
        subject[2]?.replaceAll('""', '"') ?? subject[3]!,
      ),
    });
    if (!skip(',') && at < text.length) {
      throw invalid(text.slice(start), 'has no comma behind its subject');
    }
  }
  // Blank is not the same as not given: nobody may take it for "everybody".
  if (rules.length === 0) {
    throw invalid(text, 'names nobody');
  }
  return rules;
}

function subjectOf(
  typedKind: string,
  value: string,
): Pick<SubjectRule, 'kind' | 'value'> {
  const kind = subjectKinds.find((each) => each === typedKind.toLowerCase());
  if (kind === undefined) {
    const nearest = nearestName(typedKind, subjectKinds);
    throw invalid(
      typedKind,
      `is none of ${subjectKinds.join(', ')}`,
      nearest === null ? undefined : `write ${nearest}:`,
    );
  }
  // What cannot be typed is in no rule: a name that holds it matches none.
  if (/[\p{Cc}\p{Cf}\uFFFD]|^\s|\s$/u.test(value)) {
    throw invalid(value, 'holds characters that cannot be seen');
  }
  switch (kind) {
    case 'cn':
      return { kind, value };
    case 'dns':
      return { kind, value: dnsName(value) };
    case 'uri':
      if (!/^[a-z][a-z\d+.-]*:[\x21-\x7e]+$/i.test(value)) {
        throw invalid(value, 'is not a URI, such as spiffe://example.com/feed');
      }
      return { kind, value };
    case 'email': {
      const [, local, host] = /^([\x21-\x7e]+)@([^@]+)$/.exec(value) ?? [];
      if (local === undefined || host!.startsWith('*')) {
        throw invalid(value, 'is not an email address');
      }
      return { kind, value: `${local}@${dnsName(host!)}` };
    }
  }
}

/** `*` stands for one whole label, the first, with two or more behind it. */
function dnsName(value: string): string {
  if (!/^(\*\.[\w-]+\.)?[\w-]+(\.[\w-]+)*$/.test(value)) {
    throw invalid(
      value,
      'is not a host name; * may stand for its whole first label, with two labels or more behind it',
    );
  }
  return value.toLowerCase();
}

function invalid(
  what: string,
  problem: string,
  remedy = example,
): ReplicatorError {
  return new ReplicatorError('E5002', {
    detail: `--tlsAllowedSubjects: ${JSON.stringify(what.slice(0, 120))} ${problem}`,
    remedy,
  });
}
