/** From a table of the source to a table of the target, worked out once. */
import { jsonToken } from '../../../mutation/json-text.ts';
import type { ColumnShape, TableShape } from '../../../target/target.ts';
import { resolveColumn } from '../../column-names.ts';
import type { SourceRelation } from './relations.ts';
import type { SourceType, TypeCatalog } from './type-catalog.ts';

/** A table of the target that takes the changes of one of the source. */
export interface TargetTable {
  /** Its key in the SchemaShape, and in TableMutations. */
  readonly name: string;
  readonly shape: TableShape;
  /**
   * The OIDs of all tables of the source whose rows it takes, where these are
   * several partitions: it is emptied only when all of them are (else E6011).
   */
  readonly parts?: readonly number[];
}

export interface ColumnPlan {
  /** `,"name":` in UTF-8. */
  readonly prefix: Uint8Array;
  readonly type: SourceType;
  /** The place of its value in the key, or -1. */
  readonly keyPlace: number;
  /** An old tuple that holds only the replica identity has its value. */
  readonly isIdentity: boolean;
  /** The target has no such column, and is not to be told of it. */
  readonly isIgnored: boolean;
}

export interface TablePlan {
  readonly relation: SourceRelation;
  readonly table: TargetTable;
  readonly columns: readonly ColumnPlan[];
  /** The target has a primary key. */
  readonly isKeyed: boolean;
  /** Names of the target's primary key; none where it has none. */
  readonly keyColumns: readonly string[];
  /**
   * For each place in the key the source's column, or -1. Where the target has
   * no primary key all columns are the key, in the order of the source.
   */
  readonly keySources: readonly number[];
  /** Of the target's key columns, those that the source has not. */
  readonly missingKeyColumns: readonly string[];
  /** The replica identity has all columns of the target's key. */
  readonly isKeyIdentified: boolean;
  /**
   * A row that gets another key is told as one that moves, also where it is
   * whole: the target has more columns, or rows that go with a deleted one.
   */
  readonly isMoved: boolean;
}

export interface PlanOptions {
  readonly types: TypeCatalog;
  readonly ignoresUnknown: boolean;
}

export function planTable(
  relation: SourceRelation,
  table: TargetTable,
  { types, ignoresUnknown }: PlanOptions,
): TablePlan {
  const { primaryKey } = table.shape;
  const resolved = resolveColumns(relation, table.shape);
  const isKeyed = primaryKey.length > 0;
  const sources: number[] = [];
  const columns = relation.columns.map((column, index): ColumnPlan => {
    const target = resolved[index]!;
    const isIgnored = target === null && ignoresUnknown;
    const keyPlace = isKeyed
      ? target === null
        ? -1
        : primaryKey.indexOf(target)
      : isIgnored
        ? -1
        : sources.push(index) - 1;
    return {
      prefix: Buffer.from(`,${jsonToken(target?.name ?? column.name)}:`),
      type: types.type(column.typeOid, column.typeModifier),
      keyPlace,
      isIdentity: column.isKey,
      isIgnored,
    };
  });
  const keySources = isKeyed
    ? primaryKey.map((target) => resolved.indexOf(target))
    : sources;
  return {
    relation,
    table,
    columns,
    isKeyed,
    keyColumns: primaryKey.map(({ name }) => name),
    keySources,
    missingKeyColumns: primaryKey
      .filter((target) => !resolved.includes(target))
      .map(({ name }) => name),
    isKeyIdentified:
      isKeyed &&
      keySources.every((index) => relation.columns[index]?.isKey === true),
    isMoved:
      table.shape.deleteHasEffects === true ||
      table.shape.columns.some(
        (target) => !target.generated && !resolved.includes(target),
      ),
  };
}

/**
 * The target's column for each of the source's. Of several names that differ
 * in case only, the one that is spelled as at the target is the column;
 * without such a one none is, for nobody can tell which.
 */
function resolveColumns(
  { columns }: SourceRelation,
  shape: TableShape,
): (ColumnShape | null)[] {
  const targets = columns.map(({ name }) => resolveColumn(shape, name));
  return targets.map((target, index) =>
    target === null ||
    target.name === columns[index]!.name ||
    targets.filter((other) => other === target).length === 1
      ? target
      : null,
  );
}
