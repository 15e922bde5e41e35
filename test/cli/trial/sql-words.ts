/**
 * Reads the words of an SQL text as a server does: comments fall away, quoted
 * names and texts are taken out of their quotes. Written apart from what is
 * tested with it.
 */
export interface SqlWord {
  readonly kind: 'name' | 'text' | 'word' | 'sign';
  readonly value: string;
}

export function sqlWords(sql: string): SqlWord[] {
  const words: SqlWord[] = [];
  let at = 0;
  while (at < sql.length) {
    const rest = sql.slice(at);
    const blank = /^(\s+|--[^\n]*(\n|$))/.exec(rest);
    if (blank) {
      at += blank[0].length;
      continue;
    }
    const quote = rest[0]!;
    if (quote === '"' || quote === "'") {
      let value = '';
      at += 1;
      for (;;) {
        if (at >= sql.length) {
          throw new Error('a quotation does not end');
        }
        if (sql[at] === quote) {
          if (sql[at + 1] !== quote) {
            break;
          }
          at += 1;
        }
        value += sql[at]!;
        at += 1;
      }
      at += 1;
      words.push({ kind: quote === '"' ? 'name' : 'text', value });
      continue;
    }
    const word = /^[A-Za-z_]\w*/.exec(rest);
    const value = word ? word[0] : quote;
    words.push({ kind: word ? 'word' : 'sign', value });
    at += value.length;
  }
  return words;
}

/** What a CREATE CHANGEFEED says; throws where it is not one, or more. */
export interface ReadStatement {
  readonly tables: readonly (readonly string[])[];
  readonly sink: string;
  readonly options: Readonly<Record<string, string | null>>;
}

export function readStatement(sql: string): ReadStatement {
  const words = sqlWords(sql);
  let at = 0;
  const peek = (): SqlWord => words[at] ?? { kind: 'sign', value: '<end>' };
  const take = (kind: SqlWord['kind'], value?: string): string => {
    const word = peek();
    if (word.kind !== kind || (value !== undefined && word.value !== value)) {
      throw new Error(
        `${value ?? kind} expected, not ${word.kind} ${word.value}`,
      );
    }
    at += 1;
    return word.value;
  };
  const isNext = (value: string): boolean =>
    peek().kind === 'sign' && peek().value === value && (at += 1) > 0;
  for (const word of ['CREATE', 'CHANGEFEED', 'FOR', 'TABLE']) {
    take('word', word);
  }
  const tables: string[][] = [];
  do {
    const parts: string[] = [];
    do {
      parts.push(take('name'));
    } while (isNext('.'));
    tables.push(parts);
  } while (isNext(','));
  take('word', 'INTO');
  const sink = take('text');
  take('word', 'WITH');
  const options: Record<string, string | null> = {};
  do {
    const name = take('word');
    options[name] = isNext('=') ? take('text') : null;
  } while (isNext(','));
  take('sign', ';');
  if (at !== words.length) {
    throw new Error(`${peek().value} behind the end`);
  }
  return { tables, sink, options };
}

/**
 * A sink's parameters as CockroachDB takes them: percent-decoded as a form
 * (`+` is a blank), then standard base64, then PEM.
 */
export function sinkParts(sink: string): {
  readonly scheme: string;
  readonly host: string;
  readonly segments: readonly string[];
  readonly pem: Readonly<Record<string, string>>;
} {
  const [, scheme, host, path, query = ''] =
    /^([a-z-]+):\/\/([^/?]+)\/([^?]*)(?:\?(.*))?$/.exec(sink)!;
  const decode = (text: string): string =>
    decodeURIComponent(text.replaceAll('+', ' '));
  const pem = Object.fromEntries(
    query === ''
      ? []
      : query.split('&').map((pair) => {
          const [name, value] = pair.split('=', 2) as [string, string];
          const base64 = decode(value);
          if (!/^([\w+/]{4})*([\w+/]{2}==|[\w+/]{3}=)?$/.test(base64)) {
            throw new Error(`${name} is not base64`);
          }
          return [name, Buffer.from(base64, 'base64').toString()];
        }),
  );
  return {
    scheme: scheme!,
    host: host!,
    segments: path!.split('/').map(decode),
    pem,
  };
}
