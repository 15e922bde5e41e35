import { hostname } from 'node:os';

/** Of a lease: what a person recognises, and what no other process has. */
export function holderName(sessionName: string): string {
  return `${hostname()}:${process.pid}:${sessionName}`;
}

/** By which the target knows the sessions of that daemon. */
export function sessionNameOf(holder: string): string {
  return holder.slice(holder.lastIndexOf(':') + 1);
}
