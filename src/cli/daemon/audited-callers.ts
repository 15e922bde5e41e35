/** The audit log's record of who sends to which schema. */
import { schemaName } from '../../mutation/schema-name.ts';
import type {
  Caller,
  Callers,
} from '../../source/changefeed/callers/callers.ts';
import type { Audit } from '../../telemetry/audit.ts';

/** A caller that tries out names of schemas must not fill the log. */
const maxSchemas = 100;
const maxCallers = 1_000;

/** Records a caller the first time it is let in for a schema. */
export function auditCallers(callers: Callers, audit: Audit): Callers {
  const known = new Map<string, Set<string>>();
  const noteFirst = (name: string, schema: string): void => {
    const schemas = known.get(name) ?? new Set();
    if (schemas.has(schema) || schemas.size >= maxSchemas) {
      return;
    }
    if (!known.has(name) && known.size >= maxCallers) {
      known.delete(known.keys().next().value!);
    }
    known.set(name, schemas.add(schema));
    audit.note('caller let in', { schema }, { kind: 'caller', name });
  };
  const auditedCallers = new WeakMap<Caller, Caller>();
  const audited = (caller: Caller): Caller => {
    let found = auditedCallers.get(caller);
    if (found === undefined) {
      found = {
        name: caller.name,
        requireSchema(parts) {
          caller.requireSchema(parts);
          // What is under /_/ changes nothing.
          if (parts[0] !== '_') {
            noteFirst(caller.name, schemaName(parts));
          }
        },
      };
      auditedCallers.set(caller, found);
    }
    return found;
  };
  return {
    ...callers,
    identify: (request) => {
      const caller = callers.identify(request);
      return caller instanceof Promise ? caller.then(audited) : audited(caller);
    },
  };
}
