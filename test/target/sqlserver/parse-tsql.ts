/** T-SQL's grammar, for texts that no server here can judge. */
import { createRequire } from 'node:module';

interface Listener {
  syntaxError(
    recognizer: unknown,
    symbol: unknown,
    line: number,
    column: number,
    message: string,
  ): void;
}

interface Recognizer {
  removeErrorListeners(): void;
  addErrorListener(listener: Listener): void;
}

interface Grammar {
  readonly TSqlLexer: new (input: unknown) => Recognizer;
  readonly TSQLGrammar: {
    readonly TSqlParser: new (
      tokens: unknown,
    ) => Recognizer & { tsql_file(): unknown };
  };
}

const required = createRequire(import.meta.url);

/** What the grammar has against the text: nothing, if it is right. */
export function syntaxErrors(text: string): string[] {
  const { CharStreams, CommonTokenStream } = required('antlr4ts') as {
    CharStreams: { fromString(text: string): unknown };
    CommonTokenStream: new (lexer: unknown) => unknown;
  };
  const { TSqlLexer, TSQLGrammar } = required('antlr4ts-sql') as Grammar;
  const errors: string[] = [];
  const listener: Listener = {
    syntaxError: (_recognizer, _symbol, line, column, message) => {
      errors.push(`${line}:${column} ${message}`);
    },
  };
  // Its keywords are in capitals, and so is everything in brackets then.
  const lexer = new TSqlLexer(CharStreams.fromString(text.toUpperCase()));
  lexer.removeErrorListeners();
  lexer.addErrorListener(listener);
  const parser = new TSQLGrammar.TSqlParser(new CommonTokenStream(lexer));
  parser.removeErrorListeners();
  parser.addErrorListener(listener);
  parser.tsql_file();
  return errors;
}
