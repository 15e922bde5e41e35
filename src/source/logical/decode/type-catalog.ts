/**
 * What the types of the source's columns are, as far as their text becomes
 * JSON differently.
 */

export type SourceType =
  | {
      /**
       * `digits`: a whole number. `number`: digits, or NaN or an infinity.
       * `padded-text`: blanks at the end mean nothing (`char(n)`). `text`:
       * all whose text travels as it is.
       */
      readonly kind:
        | 'digits'
        | 'number'
        | 'boolean'
        | 'text'
        | 'padded-text'
        | 'json'
        | 'money';
    }
  | {
      readonly kind: 'array';
      readonly element: SourceType;
      /** Between elements: a comma, and a semicolon for `box`. */
      readonly delimiter: string;
    }
  | {
      readonly kind: 'composite';
      readonly fields: readonly {
        readonly name: string;
        readonly type: SourceType;
      }[];
    };

const text: SourceType = { kind: 'text' };
const digits: SourceType = { kind: 'digits' };
const number: SourceType = { kind: 'number' };
const paddedText: SourceType = { kind: 'padded-text' };

/** `char(n)` without n keeps the blanks at its end. */
const bpcharOid = 1042;

/** Of those that every server has: the type, and its array where it has one. */
const builtInTypes: readonly (readonly [number, SourceType, number | null])[] =
  [
    [16, { kind: 'boolean' }, 1000],
    [17, text, 1001], // bytea
    [18, text, 1002], // "char"
    [19, text, 1003], // name
    [20, digits, 1016], // int8
    [21, digits, 1005], // int2
    [22, text, null], // int2vector
    [23, digits, 1007], // int4
    [25, text, 1009],
    [26, digits, 1028], // oid
    [28, digits, 1011], // xid
    [29, digits, 1012], // cid
    [30, text, null], // oidvector
    [114, { kind: 'json' }, 199],
    [142, text, 143], // xml
    [600, text, 1017], // point
    [650, text, 651], // cidr
    [700, number, 1021], // float4
    [701, number, 1022], // float8
    [790, { kind: 'money' }, 791],
    [829, text, 1040], // macaddr
    [869, text, 1041], // inet
    [bpcharOid, text, 1014],
    [1043, text, 1015], // varchar
    [1082, text, 1182], // date
    [1083, text, 1183], // time
    [1114, text, 1115], // timestamp
    [1184, text, 1185], // timestamptz
    [1186, text, 1187], // interval
    [1266, text, 1270], // timetz
    [1560, text, 1561], // bit
    [1562, text, 1563], // varbit
    [1700, number, 1231], // numeric
    [2950, text, 2951], // uuid
    [3220, text, 3221], // pg_lsn
    [3614, text, 3643], // tsvector
    [3802, { kind: 'json' }, 3807], // jsonb
    [5069, digits, 271], // xid8
  ];

/**
 * For the types with the OIDs `$1`, in any session of the source database but
 * a walsender's. An array is what its element type names as such: int2vector
 * has elements and is none.
 */
export const typesQuery = `
select t.oid::pg_catalog.int8 as oid, t.typtype as kind,
  t.typbasetype::pg_catalog.int8 as base_oid, t.typtypmod as base_modifier,
  e.oid::pg_catalog.int8 as element_oid, e.typdelim as delimiter,
  (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', f.attname, 'oid', f.atttypid::pg_catalog.int8,
      'modifier', f.atttypmod) order by f.attnum)::pg_catalog.text
    from pg_catalog.pg_attribute f
    where t.typtype = 'c' and f.attrelid = t.typrelid and f.attnum > 0
      and not f.attisdropped
  ) as fields
from pg_catalog.pg_type t
left join pg_catalog.pg_type e on e.oid = t.typelem and e.typarray = t.oid
where t.oid = any($1::pg_catalog.oid[])`;

/** A row of {@link typesQuery}; numbers may come as text. */
export interface TypeRow {
  readonly oid: number | string;
  readonly kind: string;
  readonly base_oid: number | string;
  readonly base_modifier: number | string;
  readonly element_oid: number | string | null;
  readonly delimiter: string | null;
  readonly fields: string | null;
}

export type TypeQuery = (oids: number[]) => Promise<readonly TypeRow[]>;

interface FieldRow {
  readonly name: string;
  readonly oid: number;
  readonly modifier: number;
}

/** Types are asked for once; their OIDs never come to mean something else. */
export class TypeCatalog {
  readonly #query: TypeQuery;
  readonly #builtIn = new Map<number, SourceType>();
  /** Null: the server does not know it (any more). */
  readonly #rows = new Map<number, TypeRow | null>();
  readonly #types = new Map<string, SourceType>();

  constructor(query: TypeQuery) {
    this.#query = query;
    for (const [oid, type, arrayOid] of builtInTypes) {
      this.#builtIn.set(oid, type);
      if (arrayOid !== null) {
        const array = { kind: 'array', element: type, delimiter: ',' } as const;
        this.#builtIn.set(arrayOid, array);
      }
    }
  }

  /** Those that `learn` must be asked for before `type` knows them. */
  unknown(oids: readonly number[]): number[] {
    return [...new Set(oids)].filter(
      (oid) => !this.#builtIn.has(oid) && !this.#rows.has(oid),
    );
  }

  /** With all that these are made of; when it rejects, nothing is learned. */
  async learn(oids: readonly number[]): Promise<void> {
    const learned = new Map<number, TypeRow | null>();
    let wanted = this.unknown(oids);
    while (wanted.length > 0) {
      const rows = await this.#query(wanted);
      const byOid = new Map(rows.map((row) => [Number(row.oid), row]));
      for (const oid of wanted) {
        learned.set(oid, byOid.get(oid) ?? null);
      }
      wanted = this.unknown(rows.flatMap(partsOf)).filter(
        (oid) => !learned.has(oid),
      );
    }
    for (const [oid, row] of learned) {
      this.#rows.set(oid, row);
    }
  }

  /** What the server does not know (any more) travels as its text. */
  type(oid: number, modifier: number): SourceType {
    // The modifier matters to char(n), to arrays of it and to domains.
    const key = `${oid}:${modifier < 0 ? -1 : 0}`;
    let type = this.#types.get(key);
    if (type === undefined) {
      type = this.#typeOf(oid, modifier);
      this.#types.set(key, type);
    }
    return type;
  }

  #typeOf(oid: number, modifier: number): SourceType {
    const builtIn = this.#builtIn.get(oid);
    if (builtIn !== undefined) {
      const isPadded = modifier >= 0 && oid === bpcharOid;
      const isPaddedArray = modifier >= 0 && oid === 1014;
      return isPadded
        ? paddedText
        : isPaddedArray
          ? { kind: 'array', element: paddedText, delimiter: ',' }
          : builtIn;
    }
    const row = this.#rows.get(oid) ?? null;
    if (row === null) {
      return text;
    }
    if (row.kind === 'd') {
      const own = Number(row.base_modifier);
      return this.type(Number(row.base_oid), own < 0 ? modifier : own);
    }
    if (row.element_oid !== null) {
      return {
        kind: 'array',
        element: this.type(Number(row.element_oid), modifier),
        delimiter: row.delimiter ?? ',',
      };
    }
    if (row.kind === 'c') {
      return {
        kind: 'composite',
        fields: fieldsOf(row).map((field) => ({
          name: field.name,
          type: this.type(field.oid, field.modifier),
        })),
      };
    }
    return text;
  }
}

function fieldsOf({ fields }: TypeRow): readonly FieldRow[] {
  return fields === null ? [] : (JSON.parse(fields) as FieldRow[]);
}

function partsOf(row: TypeRow): number[] {
  const base = Number(row.base_oid);
  return [
    ...(base === 0 ? [] : [base]),
    ...(row.element_oid === null ? [] : [Number(row.element_oid)]),
    ...fieldsOf(row).map(({ oid }) => oid),
  ];
}
