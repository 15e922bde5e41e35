/**
 * The name of a target schema as it stands in a webhook path:
 * `/database/schema` for PostgreSQL. Printed as dotted text, a part that is
 * not a plain lower-case word in double quotes, so that the text keys a Map,
 * labels a metric and can be typed back.
 */
declare const schemaNameBrand: unique symbol;
export type SchemaName = string & { readonly [schemaNameBrand]: true };

const plainPart = /^[a-z_][a-z0-9_$]*$/;

export function schemaName(parts: readonly string[]): SchemaName {
  return parts
    .map((part) =>
      plainPart.test(part) ? part : `"${part.replaceAll('"', '""')}"`,
    )
    .join('.') as SchemaName;
}

/** The parts of a printed name; the inverse of {@link schemaName}. */
export function schemaNameParts(name: SchemaName): string[] {
  const parts: string[] = [];
  const pattern = /"((?:[^"]|"")*)"|([^."]+)/gy;
  let match: RegExpExecArray | null;
  while ((match = pattern.exec(name)) !== null) {
    parts.push(
      match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'),
    );
    if (name[pattern.lastIndex] === '.') {
      pattern.lastIndex += 1;
    }
  }
  return parts;
}
