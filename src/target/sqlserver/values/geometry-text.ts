/**
 * Geometries as CockroachDB and PostGIS write them (GeoJSON, EWKT, EWKB in
 * hexadecimal digits) to the well-known text that SQL Server reads. Digits of
 * a text stay as they came.
 */
import {
  arrayElements,
  jsonString,
  objectMembers,
} from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { UnstorableValue } from '../../value-policy.ts';

export interface GeometryText {
  /** Null where the value does not say. */
  readonly srid: number | null;
  readonly wkt: string;
}

/** Throws UnstorableValue. */
export function geometryText(text: string): GeometryText {
  if (text.startsWith('{')) {
    return { srid: null, wkt: fromGeoJson(text as JsonText) };
  }
  if (/^0[01][0-9a-f]+$/i.test(text) && text.length % 2 === 0) {
    return fromEwkb(Buffer.from(text, 'hex'));
  }
  const ewkt = /^SRID=(\d{1,6});(.*)$/is.exec(text);
  return {
    srid: ewkt ? Number(ewkt[1]) : null,
    wkt: plainWkt(ewkt ? ewkt[2]! : text),
  };
}

const wktName =
  /\b(POINT|LINESTRING|POLYGON|MULTIPOINT|MULTILINESTRING|MULTIPOLYGON|GEOMETRYCOLLECTION|CIRCULARSTRING|COMPOUNDCURVE|CURVEPOLYGON) *(ZM|Z|M)? *(?=\(|EMPTY)/gi;

/** SQL Server counts the coordinates instead of being told `Z` or `ZM`. */
function plainWkt(text: string): string {
  if (text.search(wktName) !== 0) {
    throw unreadable();
  }
  return text.replaceAll(wktName, (_, name: string, suffix?: string) => {
    if (suffix?.toUpperCase() === 'M') {
      throw withoutZ();
    }
    return `${name.toUpperCase()} `;
  });
}

const geoJsonNames: Readonly<Record<string, string>> = {
  Point: 'POINT',
  LineString: 'LINESTRING',
  Polygon: 'POLYGON',
  MultiPoint: 'MULTIPOINT',
  MultiLineString: 'MULTILINESTRING',
  MultiPolygon: 'MULTIPOLYGON',
};

function fromGeoJson(token: JsonText): string {
  const members = new Map(
    objectMembers(token).map(({ name, value }) => [name, value]),
  );
  const typeToken = members.get('type');
  const type = typeToken === undefined ? '' : jsonString(typeToken);
  const geometries = members.get('geometries');
  if (type === 'GeometryCollection' && geometries !== undefined) {
    const parts = arrayElements(geometries).map(fromGeoJson);
    return parts.length === 0
      ? 'GEOMETRYCOLLECTION EMPTY'
      : `GEOMETRYCOLLECTION (${parts.join(', ')})`;
  }
  const name = geoJsonNames[type];
  const coordinates = members.get('coordinates');
  if (name === undefined || coordinates === undefined) {
    throw unreadable();
  }
  const list = coordinateList(coordinates);
  return list === '' ? `${name} EMPTY` : `${name} (${list})`;
}

/** `[1, 2]` is `1 2`; `[[1, 2], [3, 4]]` is `1 2, 3 4`; deeper levels in parentheses. */
function coordinateList(token: JsonText): string {
  const elements = arrayElements(token);
  if (elements.every((element) => element.charCodeAt(0) !== 0x5b)) {
    return elements.join(' ');
  }
  return elements
    .map((element) => {
      const inner = coordinateList(element);
      return arrayElements(element).some((each) => each.charCodeAt(0) === 0x5b)
        ? `(${inner})`
        : inner;
    })
    .join(', ');
}

const wkbNames = [
  '',
  'POINT',
  'LINESTRING',
  'POLYGON',
  'MULTIPOINT',
  'MULTILINESTRING',
  'MULTIPOLYGON',
  'GEOMETRYCOLLECTION',
];

/** Reads numbers from the front of a buffer, in the order each part names. */
class WkbReader {
  readonly #bytes: Buffer;
  #at = 0;
  #isLittle = true;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byteOrder(): void {
    this.#isLittle = this.#bytes.readUInt8(this.#at) === 1;
    this.#at += 1;
  }

  count(): number {
    const value = this.#isLittle
      ? this.#bytes.readUInt32LE(this.#at)
      : this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  number(): number {
    const value = this.#isLittle
      ? this.#bytes.readDoubleLE(this.#at)
      : this.#bytes.readDoubleBE(this.#at);
    this.#at += 8;
    return value;
  }
}

function fromEwkb(bytes: Buffer): GeometryText {
  try {
    const { name, body, srid } = readGeometry(new WkbReader(bytes));
    return { srid, wkt: `${name} ${body ?? 'EMPTY'}` };
  } catch (error) {
    throw error instanceof RangeError ? unreadable() : error;
  }
}

interface WkbGeometry {
  readonly name: string;
  /** In parentheses; null: empty. */
  readonly body: string | null;
  readonly srid: number | null;
}

function readGeometry(reader: WkbReader): WkbGeometry {
  reader.byteOrder();
  const code = reader.count();
  const hasZ = (code & 0x80000000) !== 0;
  const hasM = (code & 0x40000000) !== 0;
  const srid = (code & 0x20000000) !== 0 ? reader.count() : null;
  const type = code & 0xff;
  const name = wkbNames[type];
  if (!name) {
    throw unreadable();
  }
  if (hasM && !hasZ) {
    throw withoutZ();
  }
  const dimensions = 2 + (hasZ ? 1 : 0) + (hasM ? 1 : 0);
  const point = (): string =>
    Array.from({ length: dimensions }, () => reader.number()).join(' ');
  const points = (): string =>
    Array.from({ length: reader.count() }, point).join(', ');
  const parts = (): WkbGeometry[] =>
    Array.from({ length: reader.count() }, () => readGeometry(reader));
  let list: string;
  switch (name) {
    case 'POINT':
      list = point();
      list = list.startsWith('NaN') ? '' : list;
      break;
    case 'LINESTRING':
      list = points();
      break;
    case 'POLYGON':
      list = Array.from({ length: reader.count() }, () => `(${points()})`).join(
        ', ',
      );
      break;
    case 'GEOMETRYCOLLECTION':
      list = parts()
        .map((part) => `${part.name} ${part.body ?? 'EMPTY'}`)
        .join(', ');
      break;
    default:
      list = parts()
        .map((part) => part.body ?? 'EMPTY')
        .join(', ');
  }
  return { name, body: list === '' ? null : `(${list})`, srid };
}

function unreadable(): UnstorableValue {
  return new UnstorableValue('is no geometry in GeoJSON, EWKT or EWKB');
}

function withoutZ(): UnstorableValue {
  return new UnstorableValue('has a measure (M) without a height (Z)');
}
