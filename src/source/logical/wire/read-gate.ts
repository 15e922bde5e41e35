import type { Socket } from 'node:net';

/** What a socket's handle has and Node's declarations do not say. */
interface Handle {
  readStop?(): number;
  readStart?(): number;
}

/**
 * Stops reading where it counts. `socket.pause()` leaves libuv reading: every
 * packet wakes the process and becomes a buffer of its own, which `resume()`
 * hands out one by one. Here what comes meanwhile pools in the kernel and is
 * one read.
 */
export class ReadGate {
  readonly #socket: Socket;
  #isShut = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  shut(): void {
    if (this.#isShut) {
      return;
    }
    this.#isShut = true;
    const handle = this.#handle;
    if (handle?.readStop) {
      handle.readStop();
    } else {
      this.#socket.pause();
    }
  }

  open(): void {
    if (!this.#isShut) {
      return;
    }
    this.#isShut = false;
    const handle = this.#handle;
    if (handle?.readStart) {
      handle.readStart();
    } else {
      this.#socket.resume();
    }
  }

  /** Null once the socket is closed. */
  get #handle(): Handle | null {
    return (this.#socket as unknown as { _handle: Handle | null })._handle;
  }
}
