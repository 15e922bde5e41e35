import { expect, test } from 'vitest';
import { tellRefusedConnections } from '../../../src/cli/daemon/refused-connections.ts';

test('a limit of connections that is reached is told by its option, once in ten seconds', () => {
  const lines: string[] = [];
  let now = 0;
  const tell = tellRefusedConnections(
    { warn: (_fields: object, text: string) => lines.push(text) } as never,
    () => now,
  );
  tell('connections');
  tell('connections');
  tell('address');
  tell('handshake');
  expect(lines).toEqual([
    expect.stringContaining('--maxConnections is reached'),
    expect.stringContaining('--maxConnectionsPerAddress is reached'),
  ]);
  now = 10_000;
  tell('connections');
  expect(lines).toHaveLength(3);
});
