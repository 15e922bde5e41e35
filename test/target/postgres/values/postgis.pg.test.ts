/**
 * Geometry needs a server with PostGIS: TEST_POSTGIS_URL (a superuser's
 * address), or the server of the run when it has the extension.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import type { Target } from '../../../../src/target/target.ts';
import { applyTo, failureOf, row } from '../../../contract/target-fixture.ts';
import '../../../support/test-database.ts';

const serverUrl = process.env['TEST_POSTGIS_URL'] ?? inject('postgresUrl');
const database = `postgis_${process.pid}_${Date.now()}`;
const url = new URL(serverUrl);
url.pathname = `/${database}`;

let admin: pg.Client;
let client: pg.Client;
let target: Target;

async function hasPostgis(): Promise<boolean> {
  const probe = new pg.Client({ connectionString: serverUrl });
  await probe.connect();
  const { rowCount } = await probe.query(
    `select from pg_available_extensions where name = 'postgis'`,
  );
  await probe.end();
  return rowCount! > 0;
}

const available = await hasPostgis();
if (!available) {
  console.log(
    'left out: 3 tests of geometry, for no server with PostGIS was given (TEST_POSTGIS_URL)',
  );
}

describe.skipIf(!available)('geometry', () => {
  beforeAll(async () => {
    admin = new pg.Client({ connectionString: serverUrl });
    await admin.connect();
    await admin.query(`create database ${database}`);
    client = new pg.Client({ connectionString: url.href });
    await client.connect();
    await client.query('create schema "Gis.x"');
    await client.query('create extension postgis schema "Gis.x"');
    await client.query('set search_path to public, "Gis.x"');
    target = await openTarget({ url: url.href, ...defaultTargetOptions });
  });

  afterAll(async () => {
    await target[Symbol.asyncDispose]();
    await client.end();
    await admin.query(`drop database ${database} with (force)`);
    await admin.end();
  });

  async function stored(
    type: string,
    tokens: readonly string[],
  ): Promise<(string | null)[]> {
    await client.query(`create table place (id int8 primary key, g ${type})`);
    try {
      const rows = tokens.map((token, index) =>
        row(1, [index], { id: String(index), g: token }),
      );
      const place = { target, schema: schemaName([database, 'public']) };
      await applyTo(place, { place: rows });
      await applyTo(place, { place: rows });
      const { rows: read } = await client.query(
        'select st_asewkt(g) as text from place order by id',
      );
      return read.map(({ text }: { text: string | null }) => text);
    } finally {
      await client.query('drop table place');
    }
  }

  const point = '{"type":"Point","coordinates":[1.5,-2]}';

  test('from GeoJSON has the SRID of its column', async () => {
    expect(await stored('geometry(Point,3857)', [point, 'null'])).toEqual([
      'SRID=3857;POINT(1.5 -2)',
      null,
    ]);
    expect(await stored('geometry', [point])).toEqual(['POINT(1.5 -2)']);
    expect(await stored('geometry(Geometry,4326)', [point])).toEqual([
      'SRID=4326;POINT(1.5 -2)',
    ]);
    expect(await stored('geography', [point])).toEqual([
      'SRID=4326;POINT(1.5 -2)',
    ]);
    expect(await stored('geography(Point,4267)', [point])).toEqual([
      'SRID=4267;POINT(1.5 -2)',
    ]);
    expect(
      await stored('geometry(PolygonZ,3857)', [
        '{"type": "Polygon", "coordinates": [[[0,0,1],[1,0,1],[1,1,1],[0,0,1]]]}',
      ]),
    ).toEqual(['SRID=3857;POLYGON((0 0 1,1 0 1,1 1 1,0 0 1))']);
  });

  test('from text says its SRID itself', async () => {
    expect(
      await stored('geometry', [
        '"SRID=3857;POINT(1 2)"',
        '"POINT(1 2)"',
        '"0101000020110F0000000000000000F03F0000000000000040"',
      ]),
    ).toEqual(['SRID=3857;POINT(1 2)', 'POINT(1 2)', 'SRID=3857;POINT(1 2)']);
    expect(await stored('geography', ['"POINT(1 2)"'])).toEqual([
      'SRID=4326;POINT(1 2)',
    ]);
    expect(
      await stored('geometry[]', ['["POINT(1 2)", null]']).catch(() => 'array'),
    ).toEqual('array');
  });

  test('of another kind than its column is refused', async () => {
    for (const token of [
      '"SRID=4326;POINT(1 2)"',
      '"nonsense"',
      '{"type":"Nonsense"}',
      '{"type":"LineString","coordinates":[[0,0],[1,1]]}',
    ]) {
      const failure = await failureOf(stored('geometry(Point,3857)', [token]));
      expect([token, failure.disposition]).toEqual([token, 'set-aside']);
    }
  });
});
