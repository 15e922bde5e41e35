/** One line of the result. `error` makes the exit code 1. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'error';
  readonly subject: 'options' | 'target' | 'staging';
  readonly text: string;
  readonly remedy?: string;
}
