/**
 * Geometries on their way to the statement: `T<srid> <WKT>` or
 * `B<srid> <hexadecimal WKB>`, which every server of the family reads.
 */
import {
  arrayElements,
  jsonString,
  objectMembers,
} from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { UnstorableValue } from '../../value-policy.ts';

const quote = 0x22;

/** `srid` is the column's; it goes onto a value that does not say its own. */
export function geometryText(token: JsonText, srid: number | null): string {
  if (token.charCodeAt(0) !== quote) {
    return `T${srid ?? 0} ${wellKnownText(token)}`;
  }
  const text = jsonString(token).trim();
  if (text.startsWith('{')) {
    return `T${srid ?? 0} ${wellKnownText(text as JsonText)}`;
  }
  if (/^[0-9a-f]+$/i.test(text)) {
    return binaryText(text, srid);
  }
  const extended = /^SRID=(\d+);(.*)$/is.exec(text);
  return extended ? `T${extended[1]} ${extended[2]}` : `T${srid ?? 0} ${text}`;
}

const withSrid = 0x20000000;
const withMore = 0xc0000000;

/** PostGIS' extended WKB says in its type word that an SRID follows. */
function binaryText(hex: string, srid: number | null): string {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length < 9) {
    throw new UnstorableValue('is not a geometry');
  }
  const isLittle = bytes[0] === 1;
  const type = isLittle ? bytes.readUInt32LE(1) : bytes.readUInt32BE(1);
  if ((type & withMore) !== 0) {
    throw flat();
  }
  if ((type & withSrid) === 0) {
    return `B${srid ?? 0} ${hex}`;
  }
  const own = isLittle ? bytes.readUInt32LE(5) : bytes.readUInt32BE(5);
  const head = Buffer.from(bytes.subarray(0, 5));
  if (isLittle) {
    head.writeUInt32LE((type & ~withSrid) >>> 0, 1);
  } else {
    head.writeUInt32BE((type & ~withSrid) >>> 0, 1);
  }
  return `B${own} ${Buffer.concat([head, bytes.subarray(9)]).toString('hex')}`;
}

const depths: Readonly<Record<string, number>> = {
  Point: 0,
  MultiPoint: 1,
  LineString: 1,
  MultiLineString: 2,
  Polygon: 2,
  MultiPolygon: 3,
};

/** GeoJSON as WKT: digits stay as they are written. */
function wellKnownText(token: JsonText): string {
  const members = new Map(
    objectMembers(token).map(({ name, value }) => [name, value]),
  );
  const typeToken = members.get('type');
  const type =
    typeToken?.charCodeAt(0) === quote ? jsonString(typeToken) : undefined;
  if (type === 'GeometryCollection') {
    const parts = arrayElements(
      members.get('geometries') ?? ('[]' as JsonText),
    );
    return parts.length === 0
      ? 'GEOMETRYCOLLECTION EMPTY'
      : `GEOMETRYCOLLECTION(${parts.map(wellKnownText).join(',')})`;
  }
  const depth = type === undefined ? undefined : depths[type];
  const coordinates = members.get('coordinates');
  if (depth === undefined || coordinates?.charCodeAt(0) !== 0x5b) {
    throw new UnstorableValue('is not a geometry');
  }
  const inner = points(coordinates, depth);
  return `${type!.toUpperCase()}${depth === 0 ? `(${inner})` : inner}`;
}

function points(token: JsonText, depth: number): string {
  const elements = arrayElements(token);
  if (depth > 0) {
    return `(${elements.map((element) => points(element, depth - 1)).join(',')})`;
  }
  if (elements.length !== 2) {
    throw flat();
  }
  if (!elements.every((element) => /^-?[\d.]+(?:e[+-]?\d+)?$/i.test(element))) {
    throw new UnstorableValue('is not a geometry');
  }
  return elements.join(' ');
}

function flat(): UnstorableValue {
  return new UnstorableValue('has no place in two dimensions');
}
