/** A table that is drawn over itself on a terminal, one line a second elsewhere. */

/** What one second looks like, in both ways. */
export interface View {
  readonly table: readonly string[];
  readonly line: string;
}

export class Screen {
  readonly #out: NodeJS.WriteStream;
  #drawnLines = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Text that stays; the table is drawn anew below it. */
  say(text: string): void {
    this.#drawnLines = 0;
    this.#out.write(`${text}\n`);
  }

  show({ table, line }: View): void {
    if (this.#out.isTTY) {
      this.#draw(table);
    } else {
      this.#out.write(`${line}\n`);
    }
  }

  #draw(lines: readonly string[]): void {
    const up = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A` : '';
    // A terminal that does not know its width says 0.
    const width = (this.#out.columns || 80) - 1;
    this.#out.write(
      up + lines.map((line) => `\u001b[2K${line.slice(0, width)}\n`).join(''),
    );
    this.#drawnLines = lines.length;
  }
}

export function tableRow(label: string, value: string, second = ''): string {
  return `  ${label.padEnd(28)}${value.padStart(14)}${second.padStart(16)}`;
}

export function count(value: number | undefined): string {
  return value === undefined ? '-' : value.toLocaleString('en-US');
}

/** `0 kB` to `12.3 MB`. */
export function size(bytes: number | undefined): string {
  if (bytes === undefined) {
    return '-';
  }
  return bytes < 1_000_000
    ? `${Math.ceil(bytes / 1000)} kB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** How fast a count grew from one sample to the next. */
export function perSecond(change: number, elapsedMs: number): number {
  return Math.max(0, Math.round((change * 1000) / Math.max(elapsedMs, 1)));
}
