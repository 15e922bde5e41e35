/** From typed text to a value, by the type of the option. */
import { readFileSync } from 'node:fs';
import { ReplicatorError } from '../failure/failure.ts';
import { formatByteSize, parseByteSize } from '../lib/byte-size.ts';
import { formatDuration, parseDuration } from '../lib/duration.ts';
import { noteSecretsOf } from './known-secrets.ts';
import type { OptionEntry } from './option-entry.ts';
import type { RawValue } from './raw-value.ts';
import { redactUrl } from './redact.ts';

export type OptionValue = string | number | boolean;

type NumberOption = Extract<
  OptionEntry,
  { type: 'int' | 'float' | 'duration' | 'bytes' }
>;

const booleanTexts: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  '1': true,
  yes: true,
  on: true,
  false: false,
  f: false,
  '0': false,
  no: false,
  off: false,
};

/** Throws E5002, naming where the value stood and never a secret value. */
export function optionValue(
  entry: OptionEntry,
  raw: RawValue,
  env: NodeJS.ProcessEnv,
): OptionValue {
  switch (entry.type) {
    case 'string':
      if (entry.refusesEmpty && raw.text.trim() === '') {
        throw new ReplicatorError('E5002', {
          detail: `${raw.where} is given without a value`,
          remedy: 'give one; to let more callers in, leave it out altogether',
        });
      }
      return stringValue(entry.secret ?? false, raw, env);
    case 'boolean': {
      const value = booleanTexts[raw.text.trim().toLowerCase()];
      if (value === undefined) {
        throw invalid(raw, 'is neither true nor false');
      }
      return value;
    }
    case 'enum':
      if (!entry.values.includes(raw.text)) {
        throw invalid(raw, `is none of ${entry.values.join(', ')}`);
      }
      return raw.text;
    case 'count': {
      const count = integerOf(raw.text);
      if (count === null || count < 0) {
        throw invalid(raw, 'is not a count');
      }
      return count;
    }
    case 'int':
    case 'float':
    case 'duration':
    case 'bytes':
      return numberValue(entry, raw);
  }
}

/** A value as help and docs print it: `1m30s`, `512MiB`, `true`. */
export function printOptionValue(
  entry: OptionEntry,
  value: OptionValue,
): string {
  if (entry.type === 'duration') {
    return formatDuration(Number(value));
  }
  if (entry.type === 'bytes') {
    return value === 0 ? '0' : formatByteSize(Number(value));
  }
  return String(value);
}

function numberValue(entry: NumberOption, raw: RawValue): number {
  const value = parseNumber(entry, raw);
  if (
    (entry.defaultsFor === 'zero' && value === 0) ||
    (entry.defaultsFor === 'zero-or-less' && value <= 0) ||
    (entry.defaultsFor === 'less-than-zero' && value < 0)
  ) {
    return entry.default;
  }
  if (entry.min !== undefined && value < entry.min) {
    throw invalid(raw, `is less than ${printOptionValue(entry, entry.min)}`);
  }
  if (entry.max !== undefined && value > entry.max) {
    throw invalid(raw, `is more than ${printOptionValue(entry, entry.max)}`);
  }
  return value;
}

function parseNumber(entry: NumberOption, raw: RawValue): number {
  const text = raw.text.trim();
  switch (entry.type) {
    case 'int': {
      const value = integerOf(text);
      if (value === null) {
        throw invalid(raw, 'is not a whole number');
      }
      return value;
    }
    case 'float': {
      const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
        ? Number(text)
        : Number.NaN;
      if (!Number.isFinite(value)) {
        throw invalid(raw, 'is not a number');
      }
      return value;
    }
    case 'duration': {
      const value = parseDuration(text);
      if (value === null) {
        throw invalid(raw, 'is not a duration such as 1m30s, 10s or 250ms');
      }
      return value;
    }
    case 'bytes': {
      const value = text === '' ? 0 : parseByteSize(text);
      if (value === null) {
        throw invalid(raw, 'is not a size such as 10GiB, 64MiB or 4096');
      }
      return value;
    }
  }
}

function integerOf(text: string): number | null {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}

/** What is secret in it is known from here on, whatever comes of it. */
function stringValue(
  isSecret: boolean,
  raw: RawValue,
  env: NodeJS.ProcessEnv,
): string {
  const text = isSecret ? secretText(raw, env) : raw.text;
  noteSecretsOf(text, isSecret);
  return text;
}

/** `env:NAME` and `file:PATH` stand for what they name. */
function secretText(raw: RawValue, env: NodeJS.ProcessEnv): string {
  if (raw.text.startsWith('env:')) {
    const name = raw.text.slice('env:'.length);
    const value = env[name];
    if (value === undefined || value === '') {
      throw new ReplicatorError('E5002', {
        detail: `${raw.where} takes its value from an environment variable that is not set`,
        remedy: 'set the variable that stands behind env:, or correct its name',
      });
    }
    return value;
  }
  if (raw.text.startsWith('file:')) {
    try {
      const path = raw.text.slice('file:'.length);
      return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      throw new ReplicatorError('E5005', {
        detail: `${raw.where} takes its value from a file that cannot be read (${errnoOf(error)})`,
        cause: error,
      });
    }
  }
  return raw.text;
}

/** `ENOENT` and its like: says why, without repeating a path. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error
    ? String(error.code)
    : 'unreadable';
}

function invalid(raw: RawValue, what: string): ReplicatorError {
  return new ReplicatorError('E5002', {
    detail: `${raw.where} ${JSON.stringify(redactUrl(raw.text))} ${what}`,
  });
}
