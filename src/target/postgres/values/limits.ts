/**
 * What PostgreSQL's types hold. Some it changes without a word when a value
 * does not fit (numeric(p,s), timestamp(p) and floats round, varchar(n) cuts
 * blanks, `timestamp` drops a zone, `date` a time): those are checked always.
 * Others it refuses: those are checked where a policy asks for something
 * else, and to find the row that it refused.
 *
 * A limit is data, for it is stored and compared with the shape.
 */
import { parseDecimal } from '../../values/value-decimal.ts';
import {
  dateCheck,
  decimalCheck,
  floatCheck,
  integerCheck,
  textCheck,
  timeCheck,
  timestampCheck,
  type ValueCheck,
} from '../../values/value-limits.ts';
import { UnstorableValue } from '../../value-policy.ts';
import {
  type IntervalField,
  intervalCheck,
  lowestIntervalField,
} from './interval-limit.ts';

export type PostgresLimit =
  | { readonly type: 'int2' | 'int4' | 'int8' | 'oid' }
  | {
      readonly type: 'numeric';
      readonly precision: number;
      readonly scale: number;
    }
  | { readonly type: 'unlimited-numeric' | 'money' | 'float4' | 'float8' }
  | { readonly type: 'bool' | 'uuid' | 'bytea' | 'text' | 'name' | 'char' }
  | {
      readonly type: 'limited-text' | 'bit' | 'varbit';
      readonly length: number;
    }
  | { readonly type: 'enum'; readonly labels: readonly string[] }
  | { readonly type: 'date' }
  | {
      readonly type: 'time' | 'timetz' | 'timestamp' | 'timestamptz';
      readonly fractionDigits: number;
    }
  | {
      readonly type: 'interval';
      readonly fractionDigits: number;
      readonly lowestField: IntervalField;
    };

/** Of a type of pg_catalog, with its modifier as pg_attribute has it. */
export function limitOf(name: string, typmod: number): PostgresLimit | null {
  switch (name) {
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
    case 'money':
    case 'float4':
    case 'float8':
    case 'bool':
    case 'uuid':
    case 'bytea':
    case 'text':
    case 'name':
    case 'char':
    case 'date':
      return { type: name };
    case 'numeric':
      return numericLimit(typmod);
    case 'varchar':
    case 'bpchar':
      return typmod < 0
        ? { type: 'text' }
        : { type: 'limited-text', length: typmod - headerBytes };
    case 'bit':
    case 'varbit':
      return typmod < 0 ? null : { type: name, length: typmod };
    case 'time':
    case 'timetz':
    case 'timestamp':
    case 'timestamptz':
      return { type: name, fractionDigits: typmod < 0 ? 6 : typmod };
    case 'interval':
      return {
        type: name,
        fractionDigits: Math.min(6, typmod < 0 ? 6 : typmod & 0xffff),
        lowestField: lowestIntervalField(typmod),
      };
    default:
      return null;
  }
}

/** VARHDRSZ, which modifiers of lengths have included ever since. */
const headerBytes = 4;

/** 16 bits of precision, then 11 of signed scale (numeric.c). */
function numericLimit(typmod: number): PostgresLimit {
  const bits = typmod - headerBytes;
  return typmod < 0
    ? { type: 'unlimited-numeric' }
    : {
        type: 'numeric',
        precision: bits >> 16,
        scale: ((bits & 0x7ff) ^ 1024) - 1024,
      };
}

/** PostgreSQL changes such values instead of refusing them. */
export function isSilent({ type }: PostgresLimit): boolean {
  return silentTypes.has(type);
}

const silentTypes: ReadonlySet<PostgresLimit['type']> = new Set([
  'numeric',
  'money',
  'float4',
  'float8',
  'limited-text',
  'name',
  'char',
  'date',
  'time',
  'timetz',
  'timestamp',
  'timestamptz',
  'interval',
]);

const instants = {
  min: '4714-11-24 00:00:00 BC',
  max: '294276-12-31 23:59:59.999999',
  allowsInfinity: true,
};
const times = { min: '00:00:00', max: '24:00:00' };

export function checkOfLimit(limit: PostgresLimit): ValueCheck {
  switch (limit.type) {
    case 'int2':
      return integerCheck(-(2n ** 15n), 2n ** 15n - 1n);
    case 'int4':
      return integerCheck(-(2n ** 31n), 2n ** 31n - 1n);
    case 'int8':
      return integerCheck(-(2n ** 63n), 2n ** 63n - 1n);
    case 'oid':
      return integerCheck(0n, 2n ** 32n - 1n);
    case 'numeric':
      return decimalCheck(limit.precision, limit.scale, { allowsNaN: true });
    case 'unlimited-numeric':
      return unlimitedNumericCheck();
    case 'money':
      return moneyCheck;
    case 'float4':
      return floatCheck(32, { allowsSpecial: true });
    case 'float8':
      return floatCheck(64, { allowsSpecial: true });
    case 'bool':
      return formCheck(boolForm, 'is not a boolean');
    case 'uuid':
      return formCheck(uuidForm, 'is not a uuid');
    case 'bytea':
      return byteaCheck;
    case 'text':
      return textCheck({ maxLength: null, unit: 'bytes', refusesNul: true });
    case 'name':
      return textCheck({ maxLength: 63, unit: 'bytes', refusesNul: true });
    case 'char':
      return charCheck;
    case 'limited-text':
      return textCheck({
        maxLength: limit.length,
        unit: 'characters',
        refusesNul: true,
      });
    case 'bit':
    case 'varbit':
      return bitCheck(limit.length, limit.type === 'bit');
    case 'enum':
      return enumCheck(limit.labels);
    case 'date':
      return dateCheck({
        min: '4714-11-24 BC',
        max: '5874897-12-31',
        allowsInfinity: true,
      });
    case 'time':
    case 'timetz':
      return timeCheck({
        ...times,
        fractionDigits: limit.fractionDigits,
        hasZone: limit.type === 'timetz',
      });
    case 'timestamp':
    case 'timestamptz':
      return timestampCheck({
        ...instants,
        fractionDigits: limit.fractionDigits,
        zone: limit.type === 'timestamp' ? 'utc' : 'kept',
      });
    case 'interval':
      return intervalCheck(limit);
  }
}

const boolForm =
  /^\s*(?:t|tr|tru|true|f|fa|fal|fals|false|y|ye|yes|n|no|on|of|off|0|1)\s*$/i;
const uuidForm = /^\{?(?:[0-9a-f]{4}-?){8}\}?$/i;

function formCheck(form: RegExp, reason: string): ValueCheck {
  return (text) => (form.test(text) ? null : new UnstorableValue(reason));
}

/** As many digits as numeric.c takes; words for what is not finite pass. */
function unlimitedNumericCheck(): ValueCheck {
  const check = decimalCheck(131_072 + 16_383, 16_383, { allowsNaN: true });
  return (text) =>
    /^[+-]?inf(?:inity)?$/i.test(text) || text.toLowerCase() === 'nan'
      ? null
      : check(text);
}

/** Two digits, as in every locale that a server is likely to have. */
const moneyDecimal = decimalCheck(19, 2);
const moneyCheck: ValueCheck = (text) =>
  parseDecimal(text) === null ? null : moneyDecimal(text);

/** One byte, and everything behind it is dropped; `\101` is a byte too. */
const oneByte = textCheck({ maxLength: 1, unit: 'bytes', refusesNul: true });
const charCheck: ValueCheck = (text) =>
  /^\\[0-3][0-7]{2}$/.test(text) ? null : oneByte(text);

const byteaCheck: ValueCheck = (text) =>
  text.startsWith('\\x')
    ? /^(?:[0-9a-f]{2}|\s)*$/i.test(text.slice(2))
      ? null
      : new UnstorableValue('is not bytes in hexadecimal form')
    : null;

function bitCheck(length: number, isExact: boolean): ValueCheck {
  return (text) => {
    if (!/^[bB]?[01]*$/.test(text)) {
      return /^[xX][0-9a-fA-F]*$/.test(text)
        ? null
        : new UnstorableValue('is not a string of bits');
    }
    const bits = text.replace(/^b/i, '');
    return bits.length > length
      ? new UnstorableValue(
          `has more than ${length} bits`,
          bits.slice(0, length),
        )
      : isExact && bits.length < length
        ? new UnstorableValue(
            `has fewer than ${length} bits`,
            bits.padEnd(length, '0'),
          )
        : null;
  };
}

function enumCheck(labels: readonly string[]): ValueCheck {
  const known = new Set(labels);
  return (text) =>
    known.has(text)
      ? null
      : new UnstorableValue('is not among the labels of the column');
}
