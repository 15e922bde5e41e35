import type { Socket } from 'node:net';

/** Counts open connections by address, and closes those beyond the limit. */
export class ConnectionGate {
  /** 0: no limit. */
  readonly #maxPerAddress: number;
  readonly #onRefused: () => void;
  readonly #counts = new Map<string, number>();

  constructor(maxPerAddress: number, onRefused: () => void) {
    this.#maxPerAddress = maxPerAddress;
    this.#onRefused = onRefused;
  }

  /** Whether the new connection may stay; else it is closed already. */
  enter(socket: Socket): boolean {
    if (this.#maxPerAddress === 0) {
      return true;
    }
    // Undefined for one that was gone before it was looked at.
    const address = socket.remoteAddress ?? '';
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#maxPerAddress) {
      socket.destroy();
      this.#onRefused();
      return false;
    }
    this.#counts.set(address, count + 1);
    socket.once('close', () => this.#leave(address));
    return true;
  }

  #leave(address: string): void {
    const left = this.#counts.get(address)! - 1;
    if (left === 0) {
      this.#counts.delete(address);
    } else {
      this.#counts.set(address, left);
    }
  }
}
