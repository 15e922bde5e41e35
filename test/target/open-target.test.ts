import { expect, test } from 'vitest';
import { parseRequestPath } from '../../src/source/changefeed/server/path.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../src/target/open-target.ts';

const pathForms = [
  ['postgresql://u:p@h/shop', 'postgres', '/shop/public', '/shop'],
  ['postgres://u:p@h/shop', 'postgres', '/shop/public', '/shop'],
  ['mysql://u:p@h/shop', 'mysql', '/shop', '/'],
  ['mariadb://u:p@h/shop', 'mariadb', '/shop', '/shop/public/orders/x'],
  ['sqlserver://u:p@h/shop', 'sqlserver', '/shop/dbo', '/shop'],
  ['mssql://u:p@h/shop', 'sqlserver', '/shop/dbo', '/shop'],
  ['oracle://shop:p@h/service', 'oracle', '/SHOP', '/'],
] as const;

test.each(pathForms)(
  'of %s the path of a webhook is known before anything is dialled',
  async (url, engine, path, wrongPath) => {
    await using target = await openTarget({ ...defaultTargetOptions, url });
    expect([target.engine, target.examplePath]).toEqual([engine, path]);
    expect(parseRequestPath(path, target)).toEqual({
      kind: 'webhook',
      schema: path.slice(1).split('/'),
      table: null,
    });
    expect(() => parseRequestPath(wrongPath, target)).toThrow(
      expect.objectContaining({
        code: 'E1013',
        remedy: expect.stringContaining(`:port${path}'`),
      }),
    );
    expect(target.poolCounts().total).toBe(0);
  },
);

test.each(['informix://h/d', 'h/d', ''])(
  'another kind of target (%s) is not supported',
  async (url) => {
    await expect(
      openTarget({ url, ...defaultTargetOptions }),
    ).rejects.toMatchObject({ code: 'E4014' });
  },
);
