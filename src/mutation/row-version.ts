/**
 * Which of two versions of a row is the newer one.
 *
 * Nearly always its time tells. Rows of a table that is being scanned, at or
 * before what is resolved (R0), all take effect at one time, the tick behind it
 * (pipeline/feed/redelivery.ts), and several may be of one row, delivered in
 * any order and again and again. Among them the time tells under which they
 * came. As text, which sorts as the versions do:
 *
 *     R0  <  R0.came1  <  R0.came2  <  R0 + 1 tick
 *
 * This text stands for a time where versions are compared, remembered and
 * found: in the guard, and in the log, whose order it is. It is never a
 * watermark, nor the time of a mutation.
 */
import type { Mutation } from './mutation.ts';
import {
  nextTimestamp,
  previousTimestamp,
  type Timestamp,
  zeroTimestamp,
} from './timestamp.ts';

const timeLength = zeroTimestamp.length;
const scannedLength = 2 * timeLength + 1;

/** Behind the time of a version in a text: how long the version is. */
export function versionLengthAt(text: string, start: number): number {
  return text[start + timeLength] === '.' ? scannedLength : timeLength;
}

/** When the version was made at the source, whenever it takes effect. */
export function sourceTime({ time, cameAt }: Mutation): Timestamp {
  return cameAt ?? time;
}

export function versionOf({ time, cameAt }: Mutation): Timestamp {
  return cameAt === undefined
    ? time
    : scannedVersion(previousTimestamp(time), cameAt);
}

/** Of a row that came under a time at or before what was resolved. */
export function scannedVersion(
  resolved: Timestamp,
  came: Timestamp,
): Timestamp {
  return `${resolved}.${came}` as Timestamp;
}

/** When a version takes effect. */
export function timeOfVersion(version: Timestamp): Timestamp {
  return version.length === timeLength
    ? version
    : nextTimestamp(version.slice(0, timeLength) as Timestamp);
}

/** The time of a version, and where it has another one the time it came under. */
export function timesOfVersion(
  version: Timestamp,
): Pick<Mutation, 'time' | 'cameAt'> {
  return version.length === timeLength
    ? { time: version }
    : {
        time: timeOfVersion(version),
        cameAt: version.slice(timeLength + 1) as Timestamp,
      };
}

/** A text before the version with no other version between the two that is not near it. */
export function beforeVersion(version: Timestamp): Timestamp {
  return version.length === timeLength
    ? previousTimestamp(version)
    : (version.slice(0, -1) as Timestamp);
}

type Versioned = Pick<Mutation, 'time'> & {
  readonly cameAt?: Timestamp | undefined;
};

/** For sorting, from the oldest on. */
export function byVersion(left: Versioned, right: Versioned): number {
  if (left.time !== right.time) {
    return left.time < right.time ? -1 : 1;
  }
  if (left.cameAt === right.cameAt) {
    return 0;
  }
  return left.cameAt !== undefined &&
    (right.cameAt === undefined || left.cameAt < right.cameAt)
    ? -1
    : 1;
}

/** Of one version as in the list. Mostly it is in order, and nothing is copied. */
export function inVersionOrder(
  mutations: readonly Mutation[],
): readonly Mutation[] {
  for (let index = 1; index < mutations.length; index += 1) {
    if (byVersion(mutations[index - 1]!, mutations[index]!) > 0) {
      return mutations.toSorted(byVersion);
    }
  }
  return mutations;
}
