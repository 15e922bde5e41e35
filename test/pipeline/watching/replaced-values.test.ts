import { pino } from 'pino';
import { expect, test } from 'vitest';
import { parseValuePolicyRules } from '../../../src/config/value-policy-rules.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { valuePolicies } from '../../../src/pipeline/watching/replaced-values.ts';
import type { ColumnShape, TableShape } from '../../../src/target/target.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

test('each replaced value is counted, and logged with its key once a minute for each column', async () => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { base: null, timestamp: false },
    { write: (line) => lines.push(JSON.parse(line) as (typeof lines)[number]) },
  );
  const metrics = createMetrics();
  let nowMs = 0;
  const policies = valuePolicies([], { metrics, logger, nowMs: () => nowMs });
  const replace = (column: string, key: string): void => {
    policies.onReplaced({
      table: tableShape('item'),
      column: columnShape(column),
      key,
      policy: 'clamp',
      reason: 'is longer than 3 characters',
    });
  };
  replace('a', '[1]');
  replace('a', '[2]');
  replace('b', '[2]');
  nowMs = 59_999;
  replace('a', '[3]');
  nowMs = 60_000;
  replace('a', '[4]');
  const line = (column: string, key: string, more = ''): object => ({
    level: 40,
    schema: 'db.public',
    table: 'item',
    column,
    key,
    policy: 'clamp',
    msg: `a value is longer than 3 characters: by --valuePolicy the nearest value that the column can hold was written${more}`,
  });
  expect(lines).toEqual([
    line('a', '[1]'),
    line('b', '[2]'),
    line('a', '[4]', '; 2 more of this column since the last such line'),
  ]);
  const { values } = await metrics.replicator_values_replaced_total.get();
  expect(values.map(({ labels, value }) => [labels.column, value])).toEqual([
    ['a', 4],
    ['b', 1],
  ]);
});

test('the last rule that names a column decides', () => {
  const policies = valuePolicies(
    parseValuePolicyRules('*.*=null,item.*=clamp,public.item.a=error'),
    { metrics: createMetrics(), logger: pino({ level: 'silent' }) },
  );
  expect(policies.policyOf(tableShape('item'), columnShape('a'))).toBe('error');
  expect(policies.policyOf(tableShape('item'), columnShape('b'))).toBe('clamp');
  expect(policies.policyOf(tableShape('other'), columnShape('a'))).toBe('null');
});

function tableShape(name: string): TableShape {
  return { schema: schemaName(['db', 'public']), name } as TableShape;
}

function columnShape(name: string): ColumnShape {
  return { name } as ColumnShape;
}
