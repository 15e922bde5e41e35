/** Schemas drawn at random: tables, keys, unique keys, and foreign keys of every form. */
import fc from 'fast-check';

export type DeleteAction = 'no action' | 'cascade' | 'set null';

export interface ModelForeignKey {
  readonly name: string;
  /** Columns of the child: its own for it, or the first of its key. */
  readonly columns: readonly string[];
  /** The parent's place among the tables. */
  readonly parent: number;
  /** The parent's primary key, or one of its unique keys. */
  readonly parentColumns: readonly string[];
  readonly deferrable: boolean;
  readonly onDelete: DeleteAction;
  readonly onUpdate: 'no action' | 'cascade';
}

export interface ModelUniqueKey {
  readonly columns: readonly string[];
  readonly deferrable: boolean;
}

/** All columns are integers, for it is what refers to what that matters here. */
export interface ModelTable {
  readonly name: string;
  /** 0: the schema itself; 1: another one that is joined to it. */
  readonly schema: 0 | 1;
  readonly key: readonly string[];
  /** The key's first; `ver` is the number of the transaction that wrote the row. */
  readonly columns: readonly string[];
  readonly nullable: readonly string[];
  readonly uniqueKeys: readonly ModelUniqueKey[];
  readonly foreignKeys: readonly ModelForeignKey[];
}

export interface ModelSchema {
  readonly tables: readonly ModelTable[];
}

/** What a target can have at all, and what it cannot be asked yet. */
export interface SchemaLimits {
  readonly foreignKeys: boolean;
  readonly uniqueKeys: boolean;
  /** Constraints that are checked at commit. */
  readonly deferrable: boolean;
  /** Tables that refer to one another in a circle, or a row to its own table. */
  readonly cycles: 'none' | 'deferrable' | 'all';
  /** Foreign keys that delete, empty or change more than they are told to. */
  readonly actions: boolean;
  /** Unique keys whose columns are all NOT NULL: no value can be set free. */
  readonly notNullUniqueKeys: boolean;
  readonly otherSchema: boolean;
  readonly maxTables?: number;
  /** Half of the tables have neither foreign keys nor unique ones. */
  readonly sparseLinks?: boolean;
}

interface DrawnLink {
  readonly parent: number;
  readonly isBack: boolean;
  readonly form: number;
  readonly isNullable: boolean;
  readonly isUnique: boolean;
  readonly deferrable: boolean;
  readonly onDelete: DeleteAction;
  readonly onUpdate: 'no action' | 'cascade';
}

interface DrawnTable {
  readonly schema: 0 | 1;
  readonly keyWidth: 1 | 2;
  readonly uniques: readonly {
    readonly width: 1 | 2;
    readonly isNullable: boolean;
    readonly deferrable: boolean;
  }[];
  readonly links: readonly DrawnLink[];
}

export function randomSchema(limits: SchemaLimits): fc.Arbitrary<ModelSchema> {
  const sometimes = (isAllowed: boolean): fc.Arbitrary<boolean> =>
    isAllowed ? fc.nat({ max: 3 }).map((n) => n === 3) : fc.constant(false);
  const unique = fc.record({
    width: fc.constantFrom(1 as const, 2 as const),
    isNullable: limits.notNullUniqueKeys ? fc.boolean() : fc.constant(true),
    deferrable: sometimes(limits.deferrable),
  });
  const link = fc.record({
    parent: fc.nat({ max: 20 }),
    isBack: sometimes(limits.cycles !== 'none'),
    form: fc.nat({ max: 5 }),
    isNullable: fc.boolean(),
    isUnique: sometimes(limits.uniqueKeys),
    deferrable: limits.deferrable ? fc.boolean() : fc.constant(false),
    onDelete: limits.actions
      ? fc.constantFrom<DeleteAction>('no action', 'cascade', 'set null')
      : fc.constant<DeleteAction>('no action'),
    onUpdate: sometimes(limits.actions).map((is) =>
      is ? ('cascade' as const) : ('no action' as const),
    ),
  });
  const table: fc.Arbitrary<DrawnTable> = fc.record({
    schema: sometimes(limits.otherSchema).map((is) => (is ? 1 : 0)),
    keyWidth: fc.constantFrom(1 as const, 1 as const, 2 as const),
    uniques: limits.uniqueKeys
      ? fc.array(unique, { maxLength: 2 })
      : fc.constant([]),
    links: limits.foreignKeys
      ? fc.array(link, { maxLength: 3 })
      : fc.constant([]),
  });
  const alone = table.map((drawn) => ({ ...drawn, uniques: [], links: [] }));
  return fc
    .array(limits.sparseLinks ? fc.oneof(table, alone) : table, {
      minLength: 1,
      maxLength: limits.maxTables ?? 5,
      size: 'max',
    })
    .map((drawn) => schemaOf(drawn, limits));
}

/** Keys and unique keys first, for foreign keys refer to them. */
function schemaOf(
  drawn: readonly DrawnTable[],
  limits: SchemaLimits,
): ModelSchema {
  const keysOf = drawn.map(({ keyWidth, uniques }) => ({
    key: ['k0', 'k1'].slice(0, keyWidth),
    uniques: uniques.map(({ width }, place) =>
      ['a', 'b'].slice(0, width).map((letter) => `u${place}${letter}`),
    ),
  }));
  const tables = drawn.map((table, own): ModelTable => {
    const { key, uniques } = keysOf[own]!;
    const nullable = uniques.flatMap((columns, place) =>
      table.uniques[place]!.isNullable ? columns : [],
    );
    const columns = [...key, 'ver', 'v', ...uniques.flat()];
    const uniqueKeys: ModelUniqueKey[] = uniques.map((names, place) => ({
      columns: names,
      deferrable: table.uniques[place]!.deferrable,
    }));
    const foreignKeys: ModelForeignKey[] = [];
    for (const [place, link] of table.links.entries()) {
      const parent = parentOf(link, own, drawn.length);
      if (parent === null) {
        continue;
      }
      const isCycle = parent >= own;
      const parentColumns = referredColumns(
        keysOf[parent]!,
        link,
        drawn[parent]!,
      );
      // The child's own key refers to the parent's: at most once, and never in a circle.
      const isOfKey =
        link.form === 1 &&
        !isCycle &&
        parentColumns.length <= key.length &&
        !foreignKeys.some(({ columns: [first] }) => first === key[0]);
      const isNullable = (link.isNullable || isCycle) && !isOfKey;
      const names = isOfKey
        ? key.slice(0, parentColumns.length)
        : parentColumns.map((_, at) => `f${place}${'ab'[at]!}`);
      if (!isOfKey) {
        columns.push(...names);
        nullable.push(...(isNullable ? names : []));
        if (link.isUnique && (isNullable || limits.notNullUniqueKeys)) {
          uniqueKeys.push({ columns: names, deferrable: false });
        }
      }
      foreignKeys.push({
        name: `fk${own}_${place}`,
        columns: names,
        parent,
        parentColumns,
        deferrable: link.deferrable,
        onDelete:
          link.onDelete === 'set null' && !isNullable
            ? 'no action'
            : link.onDelete,
        onUpdate: isOfKey ? 'no action' : link.onUpdate,
      });
    }
    return {
      name: `t${own}`,
      schema: table.schema,
      key,
      columns,
      nullable,
      uniqueKeys,
      foreignKeys,
    };
  });
  return {
    tables: limits.cycles === 'deferrable' ? circlesDeferrable(tables) : tables,
  };
}

/** Every link of a circle is checked at commit. */
function circlesDeferrable(tables: readonly ModelTable[]): ModelTable[] {
  const reaches = (from: number, to: number): boolean => {
    const reached = new Set([from]);
    for (const each of reached) {
      for (const { parent } of tables[each]!.foreignKeys) {
        reached.add(parent);
      }
    }
    return reached.has(to);
  };
  return tables.map((table, own) => ({
    ...table,
    foreignKeys: table.foreignKeys.map((link) => ({
      ...link,
      deferrable: link.deferrable || reaches(link.parent, own),
    })),
  }));
}

/** An elder table; or, back, the table itself or a younger one. */
function parentOf(
  { parent, isBack }: DrawnLink,
  own: number,
  count: number,
): number | null {
  if (isBack) {
    return own + (parent % (count - own));
  }
  return own === 0 ? null : parent % own;
}

/** Mostly the primary key; a unique key that is checked at once may serve too. */
function referredColumns(
  keys: {
    readonly key: readonly string[];
    readonly uniques: readonly (readonly string[])[];
  },
  { form }: DrawnLink,
  parent: DrawnTable,
): readonly string[] {
  const [first] = keys.uniques;
  return form === 2 && first && !parent.uniques[0]!.deferrable
    ? first
    : keys.key;
}
