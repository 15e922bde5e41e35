import { type Audit, createAudit } from '../../src/telemetry/audit.ts';

/** Writes nowhere. */
export const silentAudit: Audit = createAudit(
  { write: () => {}, reopen: () => {}, [Symbol.dispose]: () => {} },
  { asker: { kind: 'command' } },
);
