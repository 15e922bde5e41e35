import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { SubjectAlternativeNameExtension } from '@peculiar/x509';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseAllowedSubjects } from '../../../../src/config/allowed-subjects.ts';
import { readShownCertificate } from '../../../../src/source/changefeed/callers/shown-certificate.ts';
import { isSubjectAllowed } from '../../../../src/source/changefeed/callers/subject-rules.ts';
import type { SamePart } from '../../../../src/source/changefeed/callers/same-schema.ts';
import {
  type Made,
  makeAuthority,
  makeCertificate,
  type MakeOptions,
} from '../../../support/made-certificates.ts';

let authority: Made;
beforeAll(async () => {
  authority = await makeAuthority();
});

type Shape = Omit<MakeOptions, 'issuer'>;

async function shownBy(shape: Shape) {
  const { cert } = await makeCertificate({ ...shape, issuer: authority });
  const parsed = new X509Certificate(cert);
  const { subject, valid_to } =
    parsed.toLegacyObject() as unknown as PeerCertificate;
  return await readShownCertificate({ raw: parsed.raw, subject, valid_to });
}

async function lets(
  rules: string,
  shape: Shape,
  schema: readonly string[] = ['shop', 'public'],
  samePart: SamePart = (allowed, requested) => allowed === requested,
): Promise<boolean> {
  return isSubjectAllowed(
    parseAllowedSubjects(rules),
    await shownBy(shape),
    schema,
    samePart,
  );
}

const dns = (...values: string[]): Shape => ({
  subject: [],
  names: values.map((value) => ({ type: 'dns', value })),
});

describe('a rule lets in', () => {
  test.each<[string, Shape]>([
    ['*=cn:feed-shop', {}],
    ['shop.public=cn:feed-shop', {}],
    ['shop/public = CN:feed-shop ,', {}],
    ['*.public=cn:feed-shop', {}],
    ['"shop".*=cn:"feed-shop"', {}],
    ['x=cn:y, shop.public=cn:feed-shop', {}],
    [
      '*=cn:"a, CN=""feed"""',
      { subject: [{ CN: [{ utf8String: 'a, CN="feed"' }] }] },
    ],
    ['*=cn:müller', { subject: [{ CN: ['müller'] }] }],
    // One name, whatever stands beside it in the same part of the subject.
    ['*=cn:feed-shop', { subject: [{ CN: ['feed-shop'], OU: ['x'] }] }],
    [
      '*=cn:feed-shop',
      { subject: [{ O: ['CN=other'] }, { CN: ['feed-shop'] }] },
    ],
    ['*=dns:Feed.example.com', dns('other.example.com', 'feed.EXAMPLE.com')],
    ['*=dns:*.feeds.example.com', dns('shop.feeds.example.com')],
    ['*=dns:localhost', dns('localhost')],
    [
      '*=uri:spiffe://example.com/feed/shop',
      { names: [{ type: 'url', value: 'spiffe://example.com/feed/shop' }] },
    ],
    [
      '*=email:Ops@example.COM',
      { names: [{ type: 'email', value: 'Ops@EXAMPLE.com' }] },
    ],
  ])('%s: %j', async (rules, shape) => {
    expect(await lets(rules, shape)).toBe(true);
  });
});

describe('a rule does not let in', () => {
  test.each<[string, string, Shape]>([
    ['another name', '*=cn:feed-shop', { subject: [{ CN: ['feed-audit'] }] }],
    ['another case', '*=cn:feed-shop', { subject: [{ CN: ['Feed-shop'] }] }],
    ['a name that goes on', '*=cn:feed', {}],
    [
      'a name with a blank',
      '*=cn:feed-shop',
      { subject: [{ CN: ['feed-shop '] }] },
    ],
    [
      'a name with NUL behind it',
      '*=cn:feed-shop',
      { subject: [{ CN: ['feed-shop\0'] }] },
    ],
    [
      'a name cut by NUL',
      '*=cn:feed-shop',
      { subject: [{ CN: ['feed-shop\0.evil.example'] }] },
    ],
    [
      'commas that would part a subject',
      '*=cn:feed-shop',
      { subject: [{ CN: ['x, CN=feed-shop'] }] },
    ],
    [
      'a line end that would',
      '*=cn:feed-shop',
      { subject: [{ O: ['x\nCN=feed-shop'] }] },
    ],
    [
      'a plus that would',
      '*=cn:feed-shop',
      { subject: [{ O: ['x + CN=feed-shop'] }] },
    ],
    [
      'a look-alike (Cyrillic е)',
      '*=cn:feed-shop',
      { subject: [{ CN: ['fееd-shop'] }] },
    ],
    [
      'the same in other code points',
      '*=cn:caf\u00e9',
      { subject: [{ CN: ['cafe\u0301'] }] },
    ],
    [
      'two common names',
      '*=cn:feed-shop',
      { subject: [{ CN: ['feed-shop'] }, { CN: ['other'] }] },
    ],
    [
      'two in one part',
      '*=cn:feed-shop',
      { subject: [{ CN: ['feed-shop', 'other'] }] },
    ],
    [
      'the name as another field',
      '*=cn:feed-shop',
      { subject: [{ OU: ['feed-shop'] }] },
    ],
    ['no name at all', '*=cn:feed-shop', { subject: [] }],
    ['a common name where dns is asked', '*=dns:feed-shop', {}],
    ['a dns name where cn is asked', '*=cn:feed-shop', dns('feed-shop')],
    [
      'a uri where dns is asked',
      '*=dns:feed-shop',
      { subject: [], names: [{ type: 'url', value: 'feed-shop' }] },
    ],
    [
      'a certificate for any host',
      '*=dns:feed.example.com',
      dns('*.example.com'),
    ],
    [
      'a wildcard met by a wildcard',
      '*=dns:*.example.com',
      dns('*.example.com'),
    ],
    ['two labels for one', '*=dns:*.example.com', dns('a.b.example.com')],
    [
      'no label for one',
      '*=dns:*.example.com',
      dns('example.com', '.example.com'),
    ],
    [
      'a host that ends alike',
      '*=dns:*.example.com',
      dns('aexample.com', 'a.badexample.com'),
    ],
    [
      'a host with NUL',
      '*=dns:feed.example.com',
      dns('feed.example.com\0.evil.example'),
    ],
    [
      'a host list in one name',
      '*=dns:b.example.com',
      dns('a.example.com, DNS:b.example.com'),
    ],
    ['the Kelvin sign for k', '*=dns:k.example.com', dns('\u212a.example.com')],
    [
      'an email of other case',
      '*=email:ops@example.com',
      { names: [{ type: 'email', value: 'Ops@example.com' }] },
    ],
    [
      'an email that has two hosts',
      '*=email:ops@example.com',
      { names: [{ type: 'email', value: 'ops@evil.example@example.com' }] },
    ],
    [
      'a uri that goes on',
      '*=uri:spiffe://a/b',
      { names: [{ type: 'url', value: 'spiffe://a/b/c' }] },
    ],
    ['rules for others', 'a=cn:b', {}],
  ])('%s', async (_, rules, shape) => {
    expect(await lets(rules, shape)).toBe(false);
  });

  test('one whose alternative names stand in it twice', async () => {
    const twice = new SubjectAlternativeNameExtension([
      { type: 'dns', value: 'feed.example.com' },
    ]);
    const shape = { ...dns('feed.example.com'), extensions: [twice] };
    expect(await lets('*=dns:feed.example.com', shape)).toBe(false);
  });

  test.each([
    ['shop.public=cn:feed-shop', ['shop', 'audit']],
    ['shop.public=cn:feed-shop', ['shop.public']],
    ['"shop.public"=cn:feed-shop', ['shop', 'public']],
    ['shop=cn:feed-shop', ['shop', 'public']],
    ['shop.*=cn:feed-shop', ['shop']],
    ['*.*=cn:feed-shop', ['shop']],
    ['shop.public=cn:feed-shop', ['SHOP', 'public']],
    ['shop."*"=cn:feed-shop', ['shop', 'public']],
  ])('%s into %j', async (rules, schema) => {
    expect(await lets(rules, {}, schema)).toBe(false);
  });
});

test('schemas are compared as the target compares them', async () => {
  const asOracle: SamePart = (allowed, requested) =>
    allowed.toUpperCase() === requested.toUpperCase();
  expect(await lets('shop=cn:feed-shop', {}, ['SHOP'], asOracle)).toBe(true);
  expect(await lets('shop=cn:feed-shop', {}, ['SHOPS'], asOracle)).toBe(false);
});

test('every rule lets in for itself, and none takes away', async () => {
  const rules = 'shop.public=cn:feed-shop, shop.audit=cn:feed-audit, *=cn:all';
  const audit = { subject: [{ CN: ['feed-audit'] }] };
  const all = { subject: [{ CN: ['all'] }] };
  expect(await lets(rules, {})).toBe(true);
  expect(await lets(rules, {}, ['shop', 'audit'])).toBe(false);
  expect(await lets(rules, audit)).toBe(false);
  expect(await lets(rules, audit, ['shop', 'audit'])).toBe(true);
  expect(await lets(rules, all, ['shop', 'audit'])).toBe(true);
});

test('what a certificate shows is printed so that nothing hides in it', async () => {
  const shown = await shownBy({
    subject: [{ CN: [{ utf8String: 'f\u0435ed\u202e\0", cn:"x' }] }],
    names: [
      { type: 'dns', value: 'a.example' },
      { type: 'email', value: 'a@b' },
    ],
  });
  expect(shown.printed).toBe(
    String.raw`cn:"f\u{435}ed\u{202e}\u0000\", cn:\"x" dns:"a.example" email:"a@b"`,
  );
  const many = await shownBy(
    dns(...Array.from({ length: 50 }, () => 'x'.repeat(200))),
  );
  expect(many.printed.length).toBeLessThan(700);
  expect(many.printed).toMatch(/ and 44 more$/);
});

describe('rules that cannot be meant are refused', () => {
  test.each([
    ['', 'names nobody'],
    [' ', 'names nobody'],
    [',', 'does not begin with a schema'],
    ['cn:feed', 'is not a schema and a subject'],
    ['shop.public', 'is not a schema and a subject'],
    ['shop.public=', 'is not a schema and a subject'],
    ['shop.public=feed', 'is not a schema and a subject'],
    ['=cn:feed', 'does not begin with a schema'],
    ['shop.=cn:feed', 'does not begin with a schema'],
    ['*=cn:a b', 'has no comma behind its subject'],
    ['*=cn:a *=cn:b', 'has no comma behind its subject'],
    ['*=common:a', 'is none of cn, dns, uri, email'],
    ['*=dnss:a', 'write dns:'],
    ['*=dns:*', 'is not a host name'],
    ['*=dns:*.com', 'is not a host name'],
    ['*=dns:f*.example.com', 'is not a host name'],
    ['*=dns:feed.*.com', 'is not a host name'],
    ['*=dns:münchen.example', 'is not a host name'],
    ['*=email:nobody', 'is not an email address'],
    ['*=email:a@*.example.com', 'is not an email address'],
    ['*=uri:nowhere', 'is not a URI'],
    ['*=cn:"feed\0"', 'holds characters that cannot be seen'],
    ['*=cn:"feed\u200b"', 'holds characters that cannot be seen'],
    ['*=cn:" feed"', 'holds characters that cannot be seen'],
  ])('%s', (rules, problem) => {
    expect(() => parseAllowedSubjects(rules)).toThrow(
      expect.objectContaining({
        code: 'E5002',
        line: expect.stringContaining(problem),
      }),
    );
  });
});
