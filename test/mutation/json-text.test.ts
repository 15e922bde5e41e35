import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ReplicatorError } from '../../src/failure/failure.ts';
import {
  arrayElements,
  jsonKind,
  jsonString,
  jsonToken,
  objectMembers,
  skipBlank,
  skipValue,
} from '../../src/mutation/json-text.ts';
import { validateJson } from '../../src/mutation/json-validation.ts';
import type { JsonText } from '../../src/mutation/mutation.ts';

const json = (text: string) => text as JsonText;

/** The code with which the text is refused, or null. */
function refusal(text: string, maxDepth = 1000): string | null {
  try {
    validateJson(text, { maxDepth });
    return null;
  } catch (error) {
    return error instanceof ReplicatorError ? error.code : String(error);
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Valid JSON with blanks of every kind between its tokens. */
const spacedJson = fc
  .tuple(fc.json(), fc.constantFrom('', ' ', '\n', '\t\r\n  '))
  .map(([text, blank]) => {
    let inString = false;
    let spaced = blank;
    for (let at = 0; at < text.length; at += 1) {
      const letter = text[at]!;
      if (letter === '"' && !isEscaped(text, at)) {
        inString = !inString;
      }
      const structural = !inString && '[]{},:"'.includes(letter);
      spaced += structural && letter !== '"' ? blank + letter + blank : letter;
    }
    return spaced + blank;
  });

function isEscaped(text: string, at: number): boolean {
  let count = 0;
  while (text[at - 1 - count] === '\\') {
    count += 1;
  }
  return count % 2 === 1;
}

/** Valid JSON with one character taken out, put in or replaced. */
const damagedJson = fc
  .tuple(
    fc.json(),
    fc.nat(),
    fc.nat(2),
    fc.constantFrom(
      ...Array.from('[]{},:"\\ 0123456789.eE+-truefalsn\u0000\n\u007f/ub'),
    ),
  )
  .map(([text, place, cut, letter]) => {
    const at = place % (text.length + 1);
    return text.slice(0, at) + letter + text.slice(at + cut);
  });

describe('validateJson', () => {
  test('accepts exactly what JSON.parse accepts', () => {
    fc.assert(
      fc.property(
        fc.oneof(spacedJson, damagedJson, fc.string(), fc.json()),
        (text) => {
          expect(refusal(text)).toBe(parses(text) ? null : 'E1001');
        },
      ),
      { numRuns: 3000 },
    );
  });

  test.each([
    '',
    ' ',
    '-',
    '+1',
    '01',
    '1.',
    '.5',
    '1e',
    '1e+',
    '-a',
    'nul',
    'nulll',
    'NaN',
    'Infinity',
    '-Infinity',
    "'a'",
    '"',
    '"\\"',
    '"\\x"',
    '"\\u12g4"',
    '"\\u123"',
    '"\u0000"',
    '"\n"',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '[1 2]',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{a:1}',
    '{1:1}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '1 2',
    '\ufeff1',
    '\u00a01',
    'tru',
    '"a"b',
  ])('refuses %j', (text) => {
    expect(parses(text)).toBe(false);
    expect(refusal(text)).toBe('E1001');
  });

  test.each([
    '0',
    '-0',
    '1e400',
    '-1E-400',
    '9223372036854775807',
    '1.50',
    '"\\u0000"',
    '"\\ud800"',
    '"\u2028\u007f"',
    '{"a":1,"a":2}',
    '[]',
    '{}',
    ' [ ] ',
    '\t{ "" : null }\r\n',
  ])('accepts %j', (text) => {
    expect(refusal(text)).toBeNull();
  });

  test('says at which character the text stops to be JSON', () => {
    expect(() => validateJson('{"a":x}', { maxDepth: 9 })).toThrow(
      'the body is not valid JSON at character 5',
    );
    expect(() => validateJson('{"a":', { maxDepth: 9 })).toThrow(
      'it ends too early, after 5 characters',
    );
  });

  test('refuses nesting beyond the limit and nothing below it', () => {
    const nested = (depth: number) =>
      '[{"a":'.repeat(depth / 2) + '1' + '}]'.repeat(depth / 2);
    expect(refusal(nested(64), 64)).toBeNull();
    expect(refusal(nested(66), 64)).toBe('E1004');
    expect(refusal('['.repeat(10_000_000), 64)).toBe('E1004');
  });
});

describe('reading validated text', () => {
  test('an object falls into the members that JSON.parse sees', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.oneof(fc.string(), fc.constantFrom('a', 'b')), fc.json()),
          { maxLength: 40 },
        ),
        (members) => {
          const text = json(
            `{ ${members.map(([name, value]) => `${JSON.stringify(name)} : ${value}`).join(' ,\n')} }`,
          );
          const expected = new Map(members);
          expect(
            objectMembers(text).map(({ name, value }) => [name, value]),
          ).toEqual([...expected].map(([name, value]) => [name, value.trim()]));
        },
      ),
    );
  });

  test('an array falls into its elements, digits untouched', () => {
    fc.assert(
      fc.property(fc.array(fc.json()), (elements) => {
        const trimmed = elements.map((element) => element.trim());
        expect(arrayElements(json(`[ ${trimmed.join(' , ')} ]`))).toEqual(
          trimmed,
        );
        expect(arrayElements(json(`[${trimmed.join(',')}]`))).toEqual(trimmed);
      }),
    );
  });

  test('no digit of any number is lost', () => {
    const numbers = [
      '-9223372036854775808',
      '9223372036854775807',
      '-0',
      '1e400',
      '-1E-400',
      `${'9'.repeat(700)}.${'1'.repeat(299)}0`,
      '1.50',
      '0.10e+05',
    ];
    expect(arrayElements(json(`[${numbers.join(', ')}]`))).toEqual(numbers);
    expect(objectMembers(json(`{"a": ${numbers.join(', "a": ')}}`))).toEqual([
      { name: 'a', value: '0.10e+05' },
    ]);
  });

  test('skipValue ends where the value ends, whatever follows', () => {
    fc.assert(
      fc.property(
        spacedJson,
        fc.constantFrom('', ' ', ',', '}', ']', '\n]'),
        (text, tail) => {
          const start = skipBlank(text, 0);
          const value = text.trimEnd();
          expect(skipValue(value + tail, start)).toBe(value.length);
        },
      ),
    );
  });

  test('strings are unescaped, and escaped again mean the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (characters) => {
        expect(jsonString(jsonToken(characters))).toBe(characters);
      }),
    );
    expect(jsonString(json(' "\\u00e9\\n\\/\\ud83d\\ude00" '))).toBe('é\n/😀');
  });

  test.each([
    ['null', 'null'],
    ['true', 'boolean'],
    [' false', 'boolean'],
    ['-1', 'number'],
    ['0', 'number'],
    ['"x"', 'string'],
    ['\n[1]', 'array'],
    ['{}', 'object'],
  ])('the kind of %j is %s', (token, kind) => {
    expect(jsonKind(json(token))).toBe(kind);
  });
});
