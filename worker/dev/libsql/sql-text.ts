/**
 * Just enough of SQLite's lexical rules to cut a text into statements, to see whether a statement
 * may write, and to list its parameters. It judges words, never grammar: SQLite does that. In doubt
 * it says "may write", which costs a wait and nothing else.
 *
 * Source: sqlite.org/lang_expr.html (parameters), sqlite.org/lang_comment.html, and the rule of
 * sqlite3_complete() that a trigger ends with `; END;`.
 */

export interface SqlStatement {
  /** The statement without its semicolon. */
  readonly text: string;
  /** The first word in capitals, such as `SELECT`; empty when the statement starts otherwise. */
  readonly firstWord: string;
  readonly mayWrite: boolean;
  /** By index from zero: the name with its `:`, `@` or `$`, or null for a plain `?`. */
  readonly parameters: readonly (string | null)[];
}

/** The statements of `sql` in order; pieces of only space and comments are left out. */
export function parseSql(sql: string): SqlStatement[] {
  const statements: SqlStatement[] = [];
  let tokens: Token[] = [];
  for (const token of tokenize(sql)) {
    if (token.kind === "semicolon" && !isInsideTrigger(tokens)) {
      pushStatement(statements, sql, tokens);
      tokens = [];
    } else {
      tokens.push(token);
    }
  }
  pushStatement(statements, sql, tokens);
  return statements;
}

interface Token {
  readonly kind: "word" | "parameter" | "semicolon" | "other";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Tokens without space and comments. A doubled quote inside a string reads as two strings. */
function* tokenize(sql: string): Generator<Token> {
  for (const match of sql.matchAll(TOKEN)) {
    const { skipped, word, parameter } = match.groups ?? {};
    if (skipped !== undefined) {
      continue;
    }
    const text = match[0];
    const end = match.index + text.length;
    yield { kind: kindOf(text, word, parameter), text, start: match.index, end };
  }
}

function kindOf(text: string, word?: string, parameter?: string): Token["kind"] {
  if (word !== undefined) {
    return "word";
  }
  if (parameter !== undefined) {
    return "parameter";
  }
  return text === ";" ? "semicolon" : "other";
}

function pushStatement(statements: SqlStatement[], sql: string, tokens: readonly Token[]): void {
  const first = tokens[0];
  const last = tokens.at(-1);
  if (first === undefined || last === undefined) {
    return;
  }
  const words = tokens.filter((token) => token.kind === "word").map(upperCase);
  const firstWord = first.kind === "word" ? upperCase(first) : "";
  statements.push({
    text: sql.slice(first.start, last.end),
    firstWord,
    mayWrite: mayWrite(firstWord, words),
    parameters: listParameters(tokens),
  });
}

function mayWrite(firstWord: string, words: readonly string[]): boolean {
  if (firstWord === "BEGIN") {
    return words.includes("IMMEDIATE") || words.includes("EXCLUSIVE");
  }
  if (firstWord === "WITH") {
    return words.some((word) => CHANGING_WORDS.has(word));
  }
  return !READING_WORDS.has(firstWord);
}

/** Indexes are given as SQLite gives them: a name or a number that returns keeps its index. */
function listParameters(tokens: readonly Token[]): (string | null)[] {
  const parameters: (string | null)[] = [];
  for (const { kind, text } of tokens) {
    if (kind !== "parameter") {
      continue;
    }
    if (text === "?") {
      parameters.push(null);
    } else if (text.startsWith("?")) {
      const count = Math.min(Number(text.slice(1)), PARAMETER_COUNT_MAX);
      while (parameters.length < count) {
        parameters.push(null);
      }
    } else if (!parameters.includes(text)) {
      parameters.push(text);
    }
  }
  return parameters;
}

function isInsideTrigger(tokens: readonly Token[]): boolean {
  const opening = tokens.slice(0, 3).map(upperCase);
  const isTrigger =
    opening[0] === "CREATE" &&
    (opening[1] === "TRIGGER" ||
      ((opening[1] === "TEMP" || opening[1] === "TEMPORARY") && opening[2] === "TRIGGER"));
  if (!isTrigger) {
    return false;
  }
  const [beforeLast, last] = tokens.slice(-2);
  const isAtItsEnd =
    beforeLast?.kind === "semicolon" && last !== undefined && upperCase(last) === "END";
  return !isAtItsEnd;
}

function upperCase(token: Token): string {
  return token.text.toUpperCase();
}

/** SQLite's default of SQLITE_MAX_VARIABLE_NUMBER. */
const PARAMETER_COUNT_MAX = 32_766;

const READING_WORDS: ReadonlySet<string> = new Set([
  "SELECT",
  "VALUES",
  "EXPLAIN",
  "PRAGMA",
  "COMMIT",
  "END",
  "ROLLBACK",
  "SAVEPOINT",
  "RELEASE",
  "ATTACH",
  "DETACH",
]);

const CHANGING_WORDS: ReadonlySet<string> = new Set(["INSERT", "UPDATE", "DELETE", "REPLACE"]);

const TOKEN = new RegExp(
  [
    String.raw`(?<skipped>\s+|--[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
    `'[^']*'?|"[^"]*"?|\`[^\`]*\`?|\\[[^\\]]*\\]?`,
    String.raw`(?<parameter>\?\d*|[:@$][\w$\u0080-\uffff]+)`,
    String.raw`(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
    String.raw`\d[\w.]*`,
    String.raw`[\s\S]`,
  ].join("|"),
  "gy",
);
