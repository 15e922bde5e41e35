import { expect, test } from 'vitest';
import {
  isLoopback,
  parseListenAddress,
} from '../../src/config/listen-address.ts';

test.each([
  [':26258', { host: '', port: 26_258 }],
  ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
  ['host.example:65535', { host: 'host.example', port: 65_535 }],
])('%s is an address', (text, address) => {
  expect(parseListenAddress(text, 'bindAddr')).toEqual(address);
});

test.each([
  '',
  '26258',
  'host',
  'host:',
  '::1:80',
  'host:65536',
  'a b:1',
  'http://h:1',
])('%j is refused', (text) => {
  expect(() => parseListenAddress(text, 'metricsAddr')).toThrow(
    /--metricsAddr/,
  );
});

test('metrics without a host are for this machine alone', () => {
  expect(parseListenAddress(':30005', 'metricsAddr')).toEqual({
    host: '127.0.0.1',
    port: 30_005,
  });
  expect(parseListenAddress('0.0.0.0:30005', 'metricsAddr').host).toBe(
    '0.0.0.0',
  );
});

test('every address of the machine is not loopback', () => {
  expect(isLoopback(parseListenAddress(':1', 'bindAddr'))).toBe(false);
});
