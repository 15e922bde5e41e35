/** What connections and requests may cost, whoever sends them. */
export interface ListenerLimits {
  readonly maxHeaderBytes: number;
  /** 0: no limit; the same below. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxRequestsInFlight: number;
}

/** Where nothing else is said. */
export const usualLimits: ListenerLimits = {
  maxHeaderBytes: 32 * 1_024,
  maxConnections: 10_000,
  maxConnectionsPerAddress: 5_000,
  maxRequestsInFlight: 5_000,
};

/** Why a connection was closed; `replicator_connections_refused_total`. */
export type ConnectionRefusal =
  | 'connections'
  | 'address'
  | 'handshake'
  | 'request'
  | 'headers'
  | 'slow'
  | 'session';
