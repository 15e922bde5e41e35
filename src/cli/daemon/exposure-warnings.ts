/** A daemon's arguments can be read for as long as it runs. */
export function exposureWarnings(exposed: readonly string[] = []): string[] {
  return exposed.map(
    (option) =>
      `--${option} holds its secret on the command line, where the process list and the shell's history show it: write --${option} env:NAME or file:PATH`,
  );
}
