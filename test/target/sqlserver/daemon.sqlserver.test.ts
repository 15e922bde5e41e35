import { describe, expect, test } from 'vitest';
import { startDaemon } from '../../support/daemon.ts';
import { at } from '../../contract/target-fixture.ts';
import { hasServer, sqlserverFixture } from './fixture.ts';

describe.skipIf(!hasServer)('a daemon with SQL Server as its target', () => {
  test('takes a webhook, applies it exactly, and says where it stands', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table parent (id bigint identity(1,1) primary key, name nvarchar(50), price decimal(30,10), at datetimeoffset(6))',
    );
    await fixture.sql(
      'create table child (id bigint primary key, parent bigint references parent (id))',
    );
    await using daemon = await startDaemon({
      args: [
        `--targetConn=${fixture.url}`,
        '--insecureHttp',
        '--disableAuthentication',
      ],
    });
    const post = async (path: string, body: string): Promise<string> => {
      const reply = await fetch(`${daemon.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      return `${reply.status} ${await reply.text()}`;
    };
    const path = `/${fixture.database.name}/dbo`;
    expect(await post(`/${fixture.database.name}`, '{"payload":[]}')).toMatch(
      /^404 E1013 /,
    );
    const rows = (second: number, ...list: string[]): string =>
      `{"payload":[${list.map((each) => `{${each},"updated":"${at(second)}"}`).join(',')}],"length":${list.length}}`;
    // The child comes first, and its parent's digits are more than a double holds.
    expect(
      await post(
        path,
        rows(
          1,
          '"topic":"child","key":[1],"after":{"id":1,"parent":10}',
          '"topic":"parent","key":[10],"after":{"id":10,"name":"Grüße","price":12345678901234567890.1234567891,"at":"2024-01-02T03:04:05.123456Z"}',
        ),
      ),
    ).toMatch(/^200/);
    expect(await post(path, `{"resolved":"${at(2)}"}`)).toMatch(/^200/);
    await expect
      .poll(() => fixture.rows('select id, parent from child'), {
        timeout: 60_000,
      })
      .toEqual([['1', '10']]);
    expect(
      await fixture.rows(
        'select id, name, cast(price as varchar(60)), cast(at as varchar(60)) from parent',
      ),
    ).toEqual([
      [
        '10',
        'Grüße',
        '12345678901234567890.1234567891',
        '2024-01-02 03:04:05.123456 +00:00',
      ],
    ]);
    expect(
      await post(
        path,
        rows(
          3,
          '"topic":"parent","key":[10],"after":null',
          '"topic":"child","key":[1],"after":null',
        ),
      ),
    ).toMatch(/^200/);
    expect(await post(path, `{"resolved":"${at(4)}"}`)).toMatch(/^200/);
    await expect
      .poll(() => fixture.rows('select count(*) from parent'), {
        timeout: 60_000,
      })
      .toEqual([['0']]);
    daemon.kill('SIGTERM');
    expect(await daemon.exited).toBe(0);
    expect(
      await fixture.rows(
        'select schema_name, applied, cast(epoch as varchar(20)) from replicator_checkpoint',
      ),
    ).toEqual([
      [fixture.schema, expect.stringMatching(/^\d{19}\.\d{10}$/), '1'],
    ]);
  });
});
