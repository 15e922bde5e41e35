import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import {
  anyCaller,
  askCallers,
} from '../../../../src/source/changefeed/callers/ask-callers.ts';
import type { Callers } from '../../../../src/source/changefeed/callers/callers.ts';
import { ReplicatorError } from '../../../../src/failure/failure.ts';

const request = { headers: {}, socket: {} as Socket, accessToken: null };

function knows(name: string, schema: string): Callers['identify'] {
  return () => ({
    name,
    requireSchema(parts) {
      if (parts.join('.') !== schema) {
        throw new ReplicatorError('E1024');
      }
    },
  });
}
const knowsNobody: Callers['identify'] = () => {
  throw new ReplicatorError('E1023');
};

test('asked for both, one who shows only one of them is not known', async () => {
  for (const ways of [
    { certificate: knows('c', 'a'), token: knowsNobody },
    { certificate: knowsNobody, token: knows('t', 'a') },
  ]) {
    await expect(
      Promise.resolve(askCallers(ways).identify(request)),
    ).rejects.toMatchObject({ code: 'E1023' });
  }
});

test('asked for both, a schema must be allowed by both', async () => {
  const caller = await askCallers({
    certificate: knows('c', 'a'),
    token: knows('t', 'b'),
  }).identify(request);
  expect(caller.name).toBe('c, t');
  for (const schema of ['a', 'b']) {
    expect(() => caller.requireSchema([schema])).toThrow(ReplicatorError);
  }
});

test('what is not asked for is not looked at', async () => {
  const callers = askCallers({ token: knows('t', 'a') });
  expect(callers.asksCertificate).toBe(false);
  const caller = await callers.identify(request);
  expect(caller.name).toBe('t');
  expect(() => caller.requireSchema(['a'])).not.toThrow();
});

test('to ask for nothing must be said: an empty list lets nobody in', () => {
  expect(() => askCallers({})).toThrow(TypeError);
  expect(anyCaller.asksCertificate).toBe(false);
});
