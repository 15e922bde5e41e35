import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Of a lease: `host:pid:place:session`. What a person recognises, where the
 * process number means something, and what no other process has.
 */
export function holderName(sessionName: string): string {
  return `${hostname()}:${process.pid}:${ownPlace()}:${sessionName}`;
}

/** By which the target knows the sessions of that daemon. */
export function sessionNameOf(holder: string): string {
  return holder.slice(holder.lastIndexOf(':') + 1);
}

/**
 * Whether the process of that name has ended for certain. Only a process of
 * the same place can tell; of all others, and of a process whose number was
 * given to another one since, this is false.
 */
export function hasDied(holder: string): boolean {
  const [session, place, pid] = holder.split(':').toReversed();
  if (session === undefined || !place || place !== ownPlace()) {
    return false;
  }
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

let place: string | undefined;

/**
 * The run of the kernel and its namespace of process numbers, which two
 * containers of one machine do not share. Empty where that is not known.
 */
function ownPlace(): string {
  place ??= (() => {
    try {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
      const space = /\d+/.exec(readlinkSync('/proc/self/ns/pid'));
      return space ? `${boot.slice(0, 8)}-${space[0]}` : '';
    } catch {
      return '';
    }
  })();
  return place;
}
