/** Connections beyond a limit hear nothing: the log is where an operator learns of it. */
import type { ConnectionRefusal } from '../../source/changefeed/server/listener-limits.ts';
import type { Logger } from '../../telemetry/logger.ts';

const limits = {
  connections: '--maxConnections',
  address: '--maxConnectionsPerAddress',
} as const;

/** One line for each limit in 10 s; other reasons are counted by the metric alone. */
export function tellRefusedConnections(
  logger: Pick<Logger, 'warn'>,
  nowMs: () => number = Date.now,
): (reason: ConnectionRefusal) => void {
  const toldAtMs = new Map<string, number>();
  return (reason) => {
    if (reason !== 'connections' && reason !== 'address') {
      return;
    }
    const limit = limits[reason];
    if (nowMs() - (toldAtMs.get(limit) ?? -Infinity) < 10_000) {
      return;
    }
    toldAtMs.set(limit, nowMs());
    logger.warn(
      { reason },
      `a new connection was closed: ${limit} is reached; see who holds the others, or raise it`,
    );
  };
}
