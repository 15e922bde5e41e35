import type { OptionTable } from './option-entry.ts';
import { stagingOptions } from './staging-options.ts';

/** For every command that changes state, and for the daemons. */
export const auditOptions = {
  auditLog: {
    type: 'string',
    default: '',
    group: 'Global',
    about:
      'Append what changes state, and who asked, to this file; one JSON object a line. Empty is audit.log in --dataDir; stderr writes the lines there. What cannot be recorded is not done. SIGHUP opens the file anew after it was rotated.',
  },
} as const satisfies OptionTable;

/** The same for commands that have no --dataDir otherwise. */
export const auditPlaceOptions = {
  dataDir: {
    ...stagingOptions.dataDir,
    group: 'Global',
    about: 'The folder of the audit log, where --auditLog names no file.',
  },
  ...auditOptions,
} as const satisfies OptionTable;
