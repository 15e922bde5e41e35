/**
 * Runs `write` in as many loops as there are lanes until the time is over and
 * returns the rows per second. The last rounds of all lanes count, with the
 * time they took.
 */
export async function clockedRows(
  lanes: number,
  seconds: number,
  write: (lane: number) => Promise<number>,
): Promise<number> {
  const startedAtMs = performance.now();
  let rowCount = 0;
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      while (performance.now() - startedAtMs < seconds * 1000) {
        rowCount += await write(lane);
      }
    }),
  );
  return (rowCount * 1000) / (performance.now() - startedAtMs);
}
