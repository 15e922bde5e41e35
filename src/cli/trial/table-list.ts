/** `--tables`: names as SQL writes them, with commas between. */
import { ReplicatorError } from '../../failure/failure.ts';

/** Its parts: the table, before it perhaps schema and database. */
export type TableName = readonly string[];

const namePart = /"((?:[^"]|"")+)"|([^\s".,]+)/y;

/**
 * `orders, audit."Order, Line"`. Names are taken as they are typed, in their
 * case; what holds a blank, a dot, a comma or a quote stands in double
 * quotes. Throws E5002 or E5004.
 */
export function parseTableList(text: string): TableName[] {
  const tables: TableName[] = [];
  let at = 0;
  const skipBlanks = (): void => {
    while (/\s/.test(text.charAt(at))) {
      at += 1;
    }
  };
  for (skipBlanks(); at < text.length; skipBlanks()) {
    const start = at;
    const parts: string[] = [];
    do {
      namePart.lastIndex = at;
      const match = namePart.exec(text);
      if (!match) {
        throw invalid(text.slice(start), 'is not the name of a table');
      }
      parts.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
      at = namePart.lastIndex;
    } while (text.charAt(at) === '.' && (at += 1));
    skipBlanks();
    if (parts.length > 3 || (at < text.length && text.charAt(at) !== ',')) {
      throw invalid(text.slice(start), 'is not the name of a table');
    }
    at += 1;
    if (parts.some((part) => part.includes('\0'))) {
      throw invalid(text.slice(start), 'holds the character NUL');
    }
    tables.push(parts);
  }
  if (tables.length === 0) {
    throw new ReplicatorError('E5004', {
      detail: '--tables must be given',
      remedy:
        'name the tables of the source, for instance --tables customer,orders',
    });
  }
  return tables;
}

function invalid(what: string, problem: string): ReplicatorError {
  return new ReplicatorError('E5002', {
    detail: `--tables: ${JSON.stringify(what.slice(0, 120))} ${problem}`,
    remedy:
      'write table, schema.table or database.schema.table, with commas between, and odd names in double quotes: customer,audit."Order, Line"',
  });
}
