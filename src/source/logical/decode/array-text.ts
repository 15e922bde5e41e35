/** PostgreSQL's literals of arrays and composites, taken apart. */

const quote = 0x22;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const backslash = 0x5c;

/** Writes the JSON of an element's text; null is SQL NULL. */
export type ElementWriter = (text: string | null) => string;

export interface ArrayForm {
  readonly delimiter: string;
  readonly write: ElementWriter;
  /**
   * The elements may be JSON arrays themselves, which nobody could tell from
   * a second dimension.
   */
  readonly isAmbiguous: boolean;
}

/**
 * `{1,NULL,"a b"}` as a JSON array, dimensions nested. Null where JSON cannot
 * say it: bounds that do not start at 1, or dimensions of what is ambiguous.
 */
export function arrayJson(text: string, form: ArrayForm): string | null {
  // Bounds stand before it: `[0:1]={1,2}`.
  if (text.charCodeAt(0) !== openBrace) {
    return null;
  }
  if (form.isAmbiguous && text.charCodeAt(1) === openBrace) {
    return null;
  }
  const delimiter = form.delimiter.charCodeAt(0);
  let json = '';
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === openBrace) {
      json += '[';
      at += 1;
    } else if (code === closeBrace) {
      json += ']';
      at += 1;
    } else if (code === delimiter) {
      json += ',';
      at += 1;
    } else if (code === quote) {
      const end = closingQuote(text, at);
      json += form.write(unescaped(text.slice(at + 1, end)));
      at = end + 1;
    } else {
      let end = at + 1;
      while (
        end < text.length &&
        text.charCodeAt(end) !== delimiter &&
        text.charCodeAt(end) !== closeBrace
      ) {
        end += 1;
      }
      const bare = text.slice(at, end);
      json += form.write(bare === 'NULL' ? null : bare);
      at = end;
    }
  }
  return json;
}

function closingQuote(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== quote) {
    at += text.charCodeAt(at) === backslash ? 2 : 1;
  }
  return at;
}

function unescaped(inQuotes: string): string {
  return inQuotes.includes('\\')
    ? inQuotes.replace(/\\(.)/gsu, '$1')
    : inQuotes;
}

/**
 * The texts of the fields of `(1,"a ""b""",)`; null is SQL NULL. Null for what
 * is no such literal.
 */
export function recordFields(text: string): (string | null)[] | null {
  if (!text.startsWith('(') || !text.endsWith(')')) {
    return null;
  }
  const fields: (string | null)[] = [];
  let at = 1;
  for (;;) {
    if (text.charCodeAt(at) === quote) {
      const end = recordQuoteEnd(text, at);
      fields.push(text.slice(at + 1, end).replace(/(["\\])\1/g, '$1'));
      at = end + 1;
    } else {
      let end = at;
      while (end < text.length - 1 && text[end] !== ',') {
        end += 1;
      }
      fields.push(end === at ? null : text.slice(at, end));
      at = end;
    }
    if (at >= text.length - 1) {
      return at === text.length - 1 ? fields : null;
    }
    if (text[at] !== ',') {
      return null;
    }
    at += 1;
  }
}

/** Quotes and backslashes inside are doubled. */
function recordQuoteEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === backslash) {
      at += 2;
    } else if (code !== quote) {
      at += 1;
    } else if (text.charCodeAt(at + 1) === quote) {
      at += 2;
    } else {
      return at;
    }
  }
  return at;
}
