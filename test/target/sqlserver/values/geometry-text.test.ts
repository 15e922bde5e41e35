import { describe, expect, test } from 'vitest';
import { geometryText } from '../../../../src/target/sqlserver/values/geometry-text.ts';
import { UnstorableValue } from '../../../../src/target/value-policy.ts';

describe('a geometry becomes the text that SQL Server reads', () => {
  test.each([
    ['{"type": "Point", "coordinates": [1.50, -2e1]}', 'POINT (1.50 -2e1)'],
    ['{"type":"Point","coordinates":[]}', 'POINT EMPTY'],
    [
      '{"type":"LineString","coordinates":[[1,2],[3,4]]}',
      'LINESTRING (1 2, 3 4)',
    ],
    [
      '{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]],[[0,0],[0.1,0],[0.1,0.1],[0,0]]]}',
      'POLYGON ((0 0, 1 0, 1 1, 0 0), (0 0, 0.1 0, 0.1 0.1, 0 0))',
    ],
    [
      '{"type":"MultiPoint","coordinates":[[1,2],[3,4]]}',
      'MULTIPOINT (1 2, 3 4)',
    ],
    [
      '{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]]]}',
      'MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))',
    ],
    [
      '{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2,3]}]}',
      'GEOMETRYCOLLECTION (POINT (1 2 3))',
    ],
  ])('%s', (geoJson, wkt) => {
    expect(geometryText(geoJson)).toEqual({ srid: null, wkt });
  });

  test.each([
    ['POINT(1 2)', null, 'POINT (1 2)'],
    ['SRID=3857;POINT Z (1 2 3)', 3857, 'POINT (1 2 3)'],
    ['SRID=4326;pointzm(1 2 3 4)', 4326, 'POINT (1 2 3 4)'],
    [
      'GEOMETRYCOLLECTION Z (POINT Z (1 2 3))',
      null,
      'GEOMETRYCOLLECTION (POINT (1 2 3))',
    ],
    ['LINESTRING EMPTY', null, 'LINESTRING EMPTY'],
  ])('%s', (ewkt, srid, wkt) => {
    expect(geometryText(ewkt)).toEqual({ srid, wkt });
  });

  test('EWKB in hexadecimal digits, in both byte orders', () => {
    expect(
      geometryText('0101000020E6100000000000000000F03F0000000000000040'),
    ).toEqual({ srid: 4326, wkt: 'POINT (1 2)' });
    expect(geometryText('00000000013FF00000000000004000000000000000')).toEqual({
      srid: null,
      wkt: 'POINT (1 2)',
    });
    expect(
      geometryText(
        '010300000001000000040000000000000000000000000000000000000000000000000' +
          '0F03F0000000000000000000000000000F03F000000000000F03F00000000000000000000000000000000',
      ),
    ).toEqual({ srid: null, wkt: 'POLYGON ((0 0, 1 0, 1 1, 0 0))' });
  });

  test.each([
    'nonsense',
    '{"type":"Circle","coordinates":[1,2]}',
    '{"coordinates":[1,2]}',
    '0101000000',
    'POINT M (1 2 3)',
    '01010000400000000000000000000000000000F03F0000000000000040',
  ])('%s is refused', (text) => {
    expect(() => geometryText(text)).toThrow(UnstorableValue);
  });
});
