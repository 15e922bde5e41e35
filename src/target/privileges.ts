/** What the privileges of a target depend on, and what they are for, on every engine. */
import type { SchemaName } from '../mutation/schema-name.ts';

/** What the daemon will do, as far as rights depend on it. */
export interface GrantPlan {
  /** Printed names; none: every schema that has tables. */
  readonly schemas: readonly SchemaName[];
  /** `--grantee`; '' is the account of the address. */
  readonly grantee: string;
  /** `--dlqTableName`. */
  readonly dlqTableName: string;
  /** Rows are set aside (`--onRowError deadLetter`). */
  readonly setsAside: boolean;
  /** A slot brings TRUNCATE too. */
  readonly takesTruncate: boolean;
}

/** What each privilege on a table of the feed is for. */
export const tablePurpose = 'rows are looked up, written and deleted';
export const checkpointPurpose =
  'the watermark: exactly once, and a second daemon is fenced off';
export const deadLetterPurpose =
  'dead letters: set aside, listed, tried again, discarded';
/** Where the account may create a table of ours, or somebody else does. */
export const orPrepared =
  'or, as the owner: replicator target prepare --targetSchema …, and print the grants again';

export const effectivelyOnce =
  'changes are applied effectively once instead of exactly once, and a second daemon is not fenced off';
