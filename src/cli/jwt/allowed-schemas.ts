import { ReplicatorError } from '../../failure/failure.ts';

const part = '(?:"(?:[^"]|"")+"|[^"./,\\s]+)';
const schemaPattern = new RegExp(`^${part}(?:[./]${part})*$`);
const partPattern = new RegExp(part, 'g');

/**
 * `shop.public,"Odd.Name"./…`: schemas as they stand in the webhook path, dots
 * or slashes between their parts; `*` is any one part. Throws E5002 or E5004.
 */
export function parseAllowedSchemas(text: string): string[][] {
  const typed = text
    // A comma between quotation marks is a part of a name.
    .split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .map((schema) => schema.trim())
    .filter((schema) => schema !== '');
  if (typed.length === 0) {
    throw new ReplicatorError('E5004', {
      detail: '--allow is missing',
      remedy:
        'name each schema that the token is for, as in the webhook path: --allow shop.public, or --allow _.diag for /_/diag',
    });
  }
  return typed.map((schema) => {
    // In a token * is always any one part, quoted or not.
    if (!schemaPattern.test(schema) || schema.includes('"*"')) {
      throw new ReplicatorError('E5002', {
        detail: `--allow ${JSON.stringify(schema)} is not the name of a schema`,
        remedy:
          'give shop.public (on MySQL and Oracle: shop), shop.* or "Odd.Name".public',
      });
    }
    return [...schema.matchAll(partPattern)].map(([name]) =>
      name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name,
    );
  });
}
