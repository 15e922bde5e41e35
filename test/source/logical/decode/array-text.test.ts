import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  arrayJson,
  recordFields,
} from '../../../../src/source/logical/decode/array-text.ts';

const form = {
  delimiter: ',',
  isAmbiguous: false,
  write: (text: string | null) => JSON.stringify(text),
};

/** As array_out writes an element. */
function element(text: string | null): string {
  if (text === null) {
    return 'NULL';
  }
  return /^$|["\\{},\s]|^null$/i.test(text)
    ? `"${text.replace(/["\\]/g, '\\$&')}"`
    : text;
}

/** As record_out writes a field. */
function field(text: string | null): string {
  if (text === null) {
    return '';
  }
  return /^$|["\\(),\s]/.test(text)
    ? `"${text.replace(/["\\]/g, '$&$&')}"`
    : text;
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...Array.from('"\\{}(),; \nNULnula')) }),
  fc.constantFrom('NULL', 'null', ''),
);
const elements = fc.array(fc.option(anyText), { minLength: 1 });

describe('a literal of PostgreSQL', () => {
  test('of an array holds the elements that were written into it', () => {
    fc.assert(
      fc.property(elements, (values) => {
        const literal = `{${values.map(element).join()}}`;
        expect(JSON.parse(arrayJson(literal, form)!)).toEqual(values);
        const nested = `{{${literal},${literal}}}`;
        expect(JSON.parse(arrayJson(nested, form)!)).toEqual([
          [values, values],
        ]);
      }),
    );
    expect(arrayJson('{}', form)).toBe('[]');
    expect(
      arrayJson('{(1,2),(0,0);(3,4),(0,0)}', { ...form, delimiter: ';' }),
    ).toBe('["(1,2),(0,0)","(3,4),(0,0)"]');
  });

  test('of an array that JSON cannot say is left as it is', () => {
    expect(arrayJson('[0:1]={1,2}', form)).toBeNull();
    const ambiguous = { ...form, isAmbiguous: true };
    expect(arrayJson('{{1},{2}}', ambiguous)).toBeNull();
    expect(arrayJson('{"{1}",1}', ambiguous)).toBe('["{1}","1"]');
  });

  test('of a composite holds the fields that were written into it', () => {
    fc.assert(
      fc.property(elements, (values) => {
        expect(recordFields(`(${values.map(field).join()})`)).toEqual(values);
      }),
    );
  });

  test.each(['', '(', '1,2', '("a)', '(")', '("a"b)', '(1,2'])(
    'that is none is not taken for a composite: %s',
    (text) => {
      expect(recordFields(text)).toBeNull();
    },
  );

  test('never ends in anything but an answer, whatever it is', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        arrayJson(`{${text}`, form);
        arrayJson(text, form);
        recordFields(`(${text}`);
        recordFields(text);
      }),
    );
  });
});
