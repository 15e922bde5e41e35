import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dateCheck,
  timeCheck,
  timestampCheck,
} from '../../../src/target/values/value-limits.ts';
import { expectClampToFit, verdict, verdicts } from '../value-verdicts.ts';

describe('dates', () => {
  const date = dateCheck({ min: '0001-01-01', max: '9999-12-31' });

  test('fit within the range', () => {
    expect(
      verdicts(date, [
        '2024-02-29',
        '2023-02-29',
        '0001-01-01',
        '0001-12-31 BC',
        '-0001-01-01',
        '9999-12-31',
        '10000-01-01',
        'infinity',
        '-infinity',
        '2024-02-29T00:00:00Z',
        '2024-02-29 12:00:00',
        'today',
        '',
      ]),
    ).toEqual({
      '2024-02-29': 'fits',
      '2023-02-29': null,
      '0001-01-01': 'fits',
      '0001-12-31 BC': '0001-01-01',
      '-0001-01-01': '0001-01-01',
      '9999-12-31': 'fits',
      '10000-01-01': '9999-12-31',
      infinity: '9999-12-31',
      '-infinity': '0001-01-01',
      '2024-02-29T00:00:00Z': 'fits',
      '2024-02-29 12:00:00': '2024-02-29',
      today: null,
      '': null,
    });
  });

  test('reach before Christ and to infinity where the type does', () => {
    const wide = dateCheck({
      min: '4714-11-24 BC',
      max: '5874897-12-31',
      allowsInfinity: true,
    });
    expect(
      verdicts(wide, [
        'infinity',
        '-infinity',
        '4714-11-24 BC',
        '4714-11-23 BC',
        '5874898-01-01',
      ]),
    ).toEqual({
      infinity: 'fits',
      '-infinity': 'fits',
      '4714-11-24 BC': 'fits',
      '4714-11-23 BC': '4714-11-24 BC',
      '5874898-01-01': '5874897-12-31',
    });
  });

  test('are the days of the calendar', () => {
    const narrow = dateCheck({ min: '1970-01-01', max: '1970-01-01' });
    fc.assert(
      fc.property(dates(), (day) => {
        const text = day.toISOString().slice(0, 10);
        expect([text, verdict(date, text)]).toEqual([text, 'fits']);
        expect([text, verdict(narrow, text)]).toEqual([
          text,
          text === '1970-01-01' ? 'fits' : '1970-01-01',
        ]);
        // Read and printed by way of the number of its day.
        const withTime = `${text}T12:00:00`;
        expect([text, verdict(date, withTime)]).toEqual([text, text]);
      }),
    );
  });
});

describe('timestamps', () => {
  const milliseconds = timestampCheck({
    min: '1970-01-01 00:00:01',
    max: '2038-01-19 03:14:07.999',
    fractionDigits: 3,
  });

  test('fit within the range and the digits of the fraction', () => {
    expect(
      verdicts(milliseconds, [
        '2024-02-29T12:00:00Z',
        '2024-02-29T12:00:00.123',
        '2024-02-29 12:00:00.123000+00',
        '2024-02-29T12:00:00.123456Z',
        '2023-12-31 23:59:59.9995+02',
        '2024-02-28T23:59:59.9999999',
        '2038-01-19T03:14:07.9999Z',
        '2038-01-19T05:14:07+02:00',
        '2038-01-19T03:14:08+00:00',
        '2038-01-19T03:14:08-00:30',
        '1970-01-01 00:00:00',
        '0044-03-15 12:00:00 BC',
        '2024-02-29T24:00:00',
        '2024-02-29',
        '2024-02-30T00:00:00',
        '2024-02-29T12:60:00',
        'infinity',
        '-infinity',
        'now',
        '1709208000',
      ]),
    ).toEqual({
      '2024-02-29T12:00:00Z': 'fits',
      '2024-02-29T12:00:00.123': 'fits',
      '2024-02-29 12:00:00.123000+00': 'fits',
      '2024-02-29T12:00:00.123456Z': '2024-02-29T12:00:00.123Z',
      '2023-12-31 23:59:59.9995+02': '2023-12-31 22:00:00Z',
      '2024-02-28T23:59:59.9999999': '2024-02-29T00:00:00',
      '2038-01-19T03:14:07.9999Z': '2038-01-19T03:14:07.999Z',
      '2038-01-19T05:14:07+02:00': 'fits',
      '2038-01-19T03:14:08+00:00': '2038-01-19T03:14:07.999Z',
      '2038-01-19T03:14:08-00:30': '2038-01-19T03:14:07.999Z',
      '1970-01-01 00:00:00': '1970-01-01 00:00:01',
      '0044-03-15 12:00:00 BC': '1970-01-01 00:00:01',
      '2024-02-29T24:00:00': '2024-03-01T00:00:00',
      '2024-02-29': 'fits',
      '2024-02-30T00:00:00': null,
      '2024-02-29T12:60:00': null,
      infinity: '2038-01-19 03:14:07.999',
      '-infinity': '1970-01-01 00:00:01',
      now: null,
      '1709208000': null,
    });
  });

  test('end where the digits of the column do', () => {
    const seconds = timestampCheck({
      min: '0001-01-01 00:00:00',
      max: '9999-12-31 23:59:59.9999999',
      fractionDigits: 0,
    });
    expect(verdicts(seconds, ['9999-12-31 23:59:59.5', 'infinity'])).toEqual({
      '9999-12-31 23:59:59.5': '9999-12-31 23:59:59',
      infinity: '9999-12-31 23:59:59',
    });
    const tenths = timeCheck({
      min: '00:00:00',
      max: '23:59:59.999',
      fractionDigits: 1,
    });
    expect(verdicts(tenths, ['23:59:59.9', '23:59:59.99'])).toEqual({
      '23:59:59.9': 'fits',
      '23:59:59.99': '23:59:59.9',
    });
  });

  test('with another zone do not fit where the column would drop it', () => {
    const local = timestampCheck({
      min: '4714-11-24 00:00:00 BC',
      max: '294276-12-31 23:59:59.999999',
      fractionDigits: 6,
      allowsInfinity: true,
      zone: 'utc',
    });
    expect(
      verdicts(local, [
        '2024-02-29T12:00:00.123456Z',
        '2024-02-29 12:00:00+00:00',
        '2024-02-29 01:00:00.5+02',
        '2024-02-29 01:00:00-02:30',
        '4714-11-24 00:00:00 BC',
        '294277-01-01 00:00:00',
        'infinity',
      ]),
    ).toEqual({
      '2024-02-29T12:00:00.123456Z': 'fits',
      '2024-02-29 12:00:00+00:00': 'fits',
      '2024-02-29 01:00:00.5+02': '2024-02-28 23:00:00.5',
      '2024-02-29 01:00:00-02:30': '2024-02-29 03:30:00',
      '4714-11-24 00:00:00 BC': 'fits',
      '294277-01-01 00:00:00': '294276-12-31 23:59:59.999999',
      infinity: 'fits',
    });
  });

  test('of any zone are compared as instants', () => {
    const check = timestampCheck({
      min: '2000-01-01 00:00:00',
      max: '2030-06-15 12:30:00',
      fractionDigits: 3,
    });
    const zones = ['Z', '+00', '+02', '-05:30', '+14:00', '-1200'];
    fc.assert(
      fc.property(dates(), fc.constantFrom(...zones), (instant, zone) => {
        const sign = zone.startsWith('-') ? -1 : 1;
        const [hours = 0, minutes = 0] =
          zone === 'Z'
            ? []
            : zone.slice(1).replace(':', '').match(/../g)!.map(Number);
        const shiftMs = sign * (hours * 60 + minutes) * 60_000;
        const local = new Date(instant.getTime() + shiftMs);
        fc.pre(local.getUTCFullYear() > 0 && local.getUTCFullYear() < 10_000);
        const text = local.toISOString().slice(0, 23) + zone;
        const expected =
          instant.getTime() < Date.UTC(2000, 0, 1)
            ? '2000-01-01T00:00:00Z'
            : instant.getTime() > Date.UTC(2030, 5, 15, 12, 30)
              ? '2030-06-15T12:30:00Z'
              : 'fits';
        expect([text, verdict(check, text)]).toEqual([text, expected]);
        expectClampToFit(check, text);
      }),
    );
  });
});

describe('times', () => {
  test('fit within the day and the digits of the fraction', () => {
    const time = timeCheck({
      min: '00:00:00',
      max: '23:59:59.999',
      fractionDigits: 3,
    });
    expect(
      verdicts(time, [
        '12:34:56',
        '12:34',
        '12:34:56.789',
        '12:34:56.7895',
        '12:34:56.7890000',
        '23:59:59.9999',
        '24:00:00',
        '-00:00:00.001',
        '12:34:56+02',
        '2024-02-29 12:34:56',
        'noon',
      ]),
    ).toEqual({
      '12:34:56': 'fits',
      '12:34': 'fits',
      '12:34:56.789': 'fits',
      '12:34:56.7895': '12:34:56.79',
      '12:34:56.7890000': 'fits',
      '23:59:59.9999': '23:59:59.999',
      '24:00:00': '23:59:59.999',
      '-00:00:00.001': '00:00:00',
      '12:34:56+02': null,
      '2024-02-29 12:34:56': null,
      noon: null,
    });
  });

  test('may be durations, have a zone and reach 24:00:00 where the type does', () => {
    const duration = timeCheck({
      min: '-838:59:59',
      max: '838:59:59',
      fractionDigits: 0,
    });
    expect(
      verdicts(duration, [
        '-838:59:59',
        '-839:00:00',
        '-00:00:00.5',
        '838:59:59.5',
      ]),
    ).toEqual({
      '-838:59:59': 'fits',
      '-839:00:00': '-838:59:59',
      '-00:00:00.5': '-00:00:01',
      '838:59:59.5': '838:59:59',
    });
    const zoned = timeCheck({
      min: '00:00:00',
      max: '24:00:00',
      fractionDigits: 0,
      hasZone: true,
    });
    expect(
      verdicts(zoned, ['24:00:00+00', '23:59:59.5+05:30', '12:00:00.4-08']),
    ).toEqual({
      '24:00:00+00': 'fits',
      '23:59:59.5+05:30': '24:00:00+05:30',
      '12:00:00.4-08': '12:00:00-08',
    });
  });
});

function dates(): fc.Arbitrary<Date> {
  return fc.date({
    min: new Date('0001-01-02T00:00:00Z'),
    max: new Date('9999-12-30T00:00:00Z'),
    noInvalidDate: true,
  });
}
