/** `--schemaMap`: pairs of a source schema and the target schema it goes into. */
import { ReplicatorError } from '../failure/failure.ts';

export interface SchemaPair {
  readonly source: string;
  /** As typed: `shop.audit`. */
  readonly target: string;
}

/** Throws E5002 for what is no list of pairs. */
export function parseSchemaMap(text: string): SchemaPair[] {
  const pairs = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const [source = '', target = '', ...rest] = part
        .split('=')
        .map((side) => side.trim());
      if (source === '' || target === '' || rest.length > 0) {
        throw refused(`${JSON.stringify(part)} is not source=target`);
      }
      return { source, target };
    });
  const sources = pairs.map(({ source }) => source);
  const twice = sources.find((name, at) => sources.indexOf(name) !== at);
  if (twice !== undefined) {
    throw refused(`the schema ${JSON.stringify(twice)} stands in it twice`);
  }
  return pairs;
}

function refused(what: string): ReplicatorError {
  return new ReplicatorError('E5002', {
    detail: `--schemaMap: ${what}`,
    remedy: 'give pairs such as audit=shop.audit,ref=shop.reference',
  });
}
