import type { OptionTable } from './option-entry.ts';

export const deadLetterOptions = {
  dlqTableName: {
    type: 'string',
    default: 'replicator_dlq',
    group: 'Target',
    about:
      'The table of the target schema that keeps dead letters: rows that were set aside, each with what stood in its way. It is created when it is needed. No table of this name is replicated.',
  },
  onRowError: {
    type: 'enum',
    values: ['halt', 'deadLetter'],
    default: 'halt',
    group: 'Target',
    about:
      'What becomes of a row that the target refuses for its own sake, such as a value too long or a check constraint. halt: its schema waits until a person has mended the cause, and nothing behind the row is applied. deadLetter: the row is set aside in --dlqTableName with its cause, later versions of it that are not whole follow it there, and everything else goes on; see replicator dlq.',
  },
  dlqLimit: {
    type: 'int',
    default: 10_000,
    min: 0,
    group: 'Target',
    unit: 'rows',
    about:
      'With --onRowError deadLetter, how many open dead letters a schema may have before it halts instead of setting aside more: that many failures are no bad rows but a fault of the whole. 0 is no limit.',
  },
} as const satisfies OptionTable;
