/** Dates and times on their way to SQL Server. */
import {
  dateCheck,
  timeCheck,
  timestampCheck,
} from '../../values/value-limits.ts';
import { UnstorableValue } from '../../value-policy.ts';
import type { SqlServerCodec } from './codec.ts';
import {
  type InstantText,
  instantText,
  onDatetimeGrid,
  timeText,
} from './temporal-text.ts';
import { checked, type Writer } from './writer.ts';

export function dateWriter(): Writer {
  return {
    wire: checked(
      dateCheck({ min: '0001-01-01', max: '9999-12-31' }),
      (text) => instantOf(text).date,
    ),
  };
}

function instantOf(text: string): InstantText {
  const parts = instantText(text);
  if (!parts) {
    throw new UnstorableValue(
      'is not a date or timestamp of the years 1 to 9999',
    );
  }
  return parts;
}

export function timeWriter(fractionDigits: number): Writer {
  return {
    wire: checked(
      timeCheck({
        min: '00:00:00',
        max: `23:59:59${nines(fractionDigits)}`,
        fractionDigits,
      }),
      (text) => {
        const clock = timeText(text);
        if (clock === null) {
          throw new UnstorableValue('is not a time of day');
        }
        return clock;
      },
    ),
  };
}

function timestampRange(
  type: 'datetime' | 'smalldatetime' | 'datetime2',
  fractionDigits: number,
): { min: string; max: string } {
  switch (type) {
    case 'datetime':
      return { min: '1753-01-01 00:00:00', max: '9999-12-31 23:59:59.997' };
    case 'smalldatetime':
      return { min: '1900-01-01 00:00:00', max: '2079-06-06 23:59:00' };
    case 'datetime2':
      return {
        min: '0001-01-01 00:00:00',
        max: `9999-12-31 23:59:59${nines(fractionDigits)}`,
      };
  }
}

function nines(fractionDigits: number): string {
  return fractionDigits > 0 ? `.${'9'.repeat(fractionDigits)}` : '';
}

export function timestampWriter({
  type,
  fractionDigits,
}: SqlServerCodec & { kind: 'timestamp' }): Writer {
  return {
    wire: checked(
      timestampCheck({
        ...timestampRange(type, fractionDigits),
        fractionDigits,
        zone: 'utc',
      }),
      (text) => {
        const { date, clock } = instantOf(text);
        const kept =
          type === 'datetime'
            ? onDatetimeGrid(clock)
            : type === 'smalldatetime'
              ? `${clock.slice(0, 5)}:00`
              : clock;
        if (kept !== clock) {
          throw new UnstorableValue(
            `is between two times that ${type} can hold`,
            `${date}T${kept}`,
          );
        }
        return `${date}T${clock}`;
      },
    ),
  };
}

export function timestamptzWriter(fractionDigits: number): Writer {
  return {
    wire: checked(
      timestampCheck({
        ...timestampRange('datetime2', fractionDigits),
        fractionDigits,
      }),
      (text) => {
        const { date, clock, offset } = instantOf(text);
        if (offset === null) {
          throw new UnstorableValue('has an offset with seconds');
        }
        return `${date}T${clock}${offset}`;
      },
    ),
  };
}
