import type { SubjectRule } from '../../../config/allowed-subjects.ts';
import type { ShownCertificate } from './shown-certificate.ts';
import { matchesSchema, type SamePart } from './same-schema.ts';

/**
 * Whether some rule lets this certificate send to that schema. Names are
 * compared sign by sign; a certificate that was issued for `*.example.com` is
 * none for `feed.example.com`, for it proves to be no host of those.
 */
export function isSubjectAllowed(
  rules: readonly SubjectRule[],
  shown: ShownCertificate,
  schema: readonly string[],
  samePart: SamePart,
): boolean {
  return rules.some(
    (rule) =>
      (rule.schema === null || matchesSchema(rule.schema, schema, samePart)) &&
      matchesSubject(rule, shown),
  );
}

function matchesSubject(
  { kind, value }: SubjectRule,
  shown: ShownCertificate,
): boolean {
  switch (kind) {
    case 'cn':
      return shown.commonName === value;
    case 'dns':
      return shown.dns.some((name) => matchesHost(value, name));
    case 'uri':
      return shown.uri.includes(value);
    case 'email':
      return shown.email.some((address) => matchesEmail(value, address));
  }
}

function matchesHost(pattern: string, name: string): boolean {
  const host = asciiLowerCase(name);
  if (!pattern.startsWith('*.')) {
    return host === pattern;
  }
  const dot = host.indexOf('.');
  return (
    dot > 0 &&
    /^[a-z\d_-]+$/.test(host.slice(0, dot)) &&
    host.slice(dot) === pattern.slice(1)
  );
}

function matchesEmail(pattern: string, address: string): boolean {
  const at = address.lastIndexOf('@');
  return address.slice(0, at) + asciiLowerCase(address.slice(at)) === pattern;
}

/** Of other letters none is made an ASCII one (the Kelvin sign would be). */
function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
