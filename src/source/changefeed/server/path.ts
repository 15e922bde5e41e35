/**
 * What the path of a request names: a target schema, perhaps a table (a
 * CDC query feed), perhaps one of the files that a storage sink writes.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { count } from '../../../lib/count.ts';
import type { Timestamp } from '../../../mutation/timestamp.ts';

export type RequestPath =
  | {
      readonly kind: 'webhook';
      readonly schema: readonly string[];
      /** Named by the path of a CDC query feed; else each row has a topic. */
      readonly table: string | null;
    }
  | {
      readonly kind: 'resolved-file';
      readonly schema: readonly string[];
      readonly table: string | null;
      readonly time: Timestamp;
    }
  | {
      readonly kind: 'ndjson-file';
      readonly schema: readonly string[];
      readonly table: string | null;
      /** Names the table where the path does not. */
      readonly topic: string;
    };

/** How the target spells a path; both stand in target/target.ts. */
export interface PathForm {
  readonly schemaNameParts: number;
  readonly examplePath: string;
}

const maxSegments = 8;
const datePattern = /^\d{4}-\d{2}-\d{2}$/;
const resolvedPattern =
  /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{9})(\d{10})\.RESOLVED$/;
/** `<ts>-<session>-<node>-<sink>-<file>-<topic>-<schema id>.ndjson`. */
const ndjsonPattern = /^\d{33}-[^-]+-[^-]+-[^-]+-[^-]+-(.+)-[^-]+\.ndjson$/;

/**
 * Reads the target of a request line as it came, query and all; throws E1013
 * when it has another form. A URL parser must not have seen it before: that
 * would take `//db/schema` for a host, and resolve `..`.
 */
export function parseRequestPath(target: string, form: PathForm): RequestPath {
  const segments = pathSegments(target.split('?', 1)[0]!, form);
  const schema = segments.slice(0, form.schemaNameParts);
  if (schema.length < form.schemaNameParts) {
    throw wrongPath(
      `the path has ${count(segments.length, 'segment', 'segments')}, and ${form.schemaNameParts} name the target schema`,
      form,
    );
  }
  const rest = segments.slice(form.schemaNameParts);
  if (rest.length === 2 || rest.length === 3) {
    const table = rest.length === 3 ? rest[0]! : null;
    const [date, file] = rest.slice(-2) as [string, string];
    const found = datePattern.test(date)
      ? storageFile(schema, table, file)
      : null;
    if (found !== null) {
      return found;
    }
  }
  if (rest.length <= 1) {
    return { kind: 'webhook', schema, table: rest[0] ?? null };
  }
  throw wrongPath('the path has no known form', form);
}

/** A changefeed names one path for ever, or a new one with each of its files. */
const maxKnownPaths = 100;
const maxKnownLength = 200;

/** Reads the paths of one listener, the usual ones once. */
export class RequestPaths {
  readonly #form: PathForm;
  readonly #known = new Map<string, RequestPath>();

  constructor(form: PathForm) {
    this.#form = form;
  }

  /** See {@link parseRequestPath}. */
  parse(target: string): RequestPath {
    const known = this.#known.get(target);
    if (known !== undefined) {
      return known;
    }
    const path = parseRequestPath(target, this.#form);
    if (path.kind === 'webhook' && target.length <= maxKnownLength) {
      if (this.#known.size >= maxKnownPaths) {
        this.#known.clear();
      }
      this.#known.set(target, path);
    }
    return path;
  }
}

function pathSegments(pathname: string, form: PathForm): string[] {
  const segments = pathname.split('/').filter((segment) => segment !== '');
  if (segments.length > maxSegments) {
    throw wrongPath(`the path has more than ${maxSegments} segments`, form);
  }
  return segments.map((segment) => {
    let decoded: string;
    try {
      decoded = decodeURIComponent(segment.replaceAll('+', ' '));
    } catch (cause) {
      throw wrongPath('the path has a malformed percent-encoding', form, cause);
    }
    if (decoded.includes('\0')) {
      throw wrongPath('the path holds the character NUL', form);
    }
    return decoded;
  });
}

function storageFile(
  schema: readonly string[],
  table: string | null,
  file: string,
): RequestPath | null {
  const resolved = resolvedPattern.exec(file);
  if (resolved) {
    const time = fileTime(resolved.slice(1));
    return time && { kind: 'resolved-file', schema, table, time };
  }
  const ndjson = ndjsonPattern.exec(file);
  return ndjson && { kind: 'ndjson-file', schema, table, topic: ndjson[1]! };
}

/** The time in a file name: a date and time of day in UTC, to the nanosecond. */
function fileTime(parts: readonly string[]): Timestamp | null {
  const [year, month, day, hour, minute, second, nanos, logical] = parts;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(ms) || ms < 0 || logical! > '2147483647') {
    return null;
  }
  const seconds = String(ms / 1000).padStart(10, '0');
  // Beyond the year 2262 int64 nanoseconds end.
  return seconds.length > 10 || seconds + nanos! > '9223372036854775807'
    ? null
    : (`${seconds}${nanos}.${logical}` as Timestamp);
}

function wrongPath(
  detail: string,
  form: PathForm,
  cause?: unknown,
): ReplicatorError {
  return new ReplicatorError('E1013', {
    detail,
    cause,
    remedy: `use INTO 'webhook-https://host:port${form.examplePath}', or ${form.examplePath}/table for a CDC query`,
  });
}
