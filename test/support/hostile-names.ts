/** Names that would break out of SQL, a log line, a label or a script, were they not only names. */

export interface NameLimits {
  readonly longestBytes?: number;
  readonly longestCharacters?: number;
  readonly isPossible: (name: string) => boolean;
}

export const hostileWords: readonly string[] = [
  `";drop table bystander;--`,
  `'; drop table bystander; --`,
  '`; drop table bystander; -- ',
  ']; drop table bystander; --',
  `a"b`,
  `a""b`,
  `it's`,
  'back`tick``s',
  '[x]',
  ']]',
  'a.b',
  '"a"."b"',
  'two words',
  ';',
  '/* open',
  '*/ close',
  '-- line',
  '# hash',
  'line\nbreak',
  'tab\tand\rreturn',
  '$1',
  '$$',
  '$body$',
  '?',
  '??',
  ':name',
  '@p0',
  '%',
  '%s %1$s',
  '\\',
  "\\'",
  'a\\"b',
  'C:\\n',
  '{}',
  '${x}',
  '{{x}}',
  '<script>',
  '\u001b[31m',
  'select',
  'table',
  'user',
  'from',
  'null',
  'default',
  'excluded',
  'v',
  't',
  '__proto__',
  'constructor',
  'toString',
  'ÄÖ ß',
  '表',
  'e\u0301',
  'rtl\u202eoverride',
  'emoji \u{1f600}',
  'Case',
  'case',
];

/** Of those that the engine can have, and one as long as may be of each sort. */
export function hostileNames({
  longestBytes,
  longestCharacters,
  isPossible,
}: NameLimits): string[] {
  const longest =
    longestBytes === undefined
      ? ['x'.repeat(longestCharacters!), '表'.repeat(40), '"'.repeat(40)]
      : [
          'x'.repeat(longestBytes),
          '表'.repeat(Math.floor(longestBytes / 3)),
          '"'.repeat(longestBytes),
        ];
  return [...hostileWords, ...longest].filter(isPossible);
}

/** Another name of the same kind, not longer than `name` where that is long. */
export function numbered(name: string, number: number): string {
  const mark = String(number);
  let whole = mark + name;
  // Whole code points go, so that none is cut in two.
  while (
    Buffer.byteLength(whole) > Math.max(60, Buffer.byteLength(name)) ||
    whole.length > 64
  ) {
    whole = whole.replace(/.$/su, '');
  }
  return whole;
}
