/**
 * Reads a folder of numbered migrations and refuses one that cannot be trusted: a gap, a twin, a
 * missing way back, a stray file, or a statement that would break the transaction each step runs in.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { fail, ok } from "#shared/base/result.ts";

import { parseSql } from "../libsql/sql-text.ts";

import type { MigrationError } from "./migration-error.ts";
import type { Result } from "#shared/base/result.ts";

export interface Migration {
  /** `NNNN_name`: the file's name without its ending. */
  readonly tag: string;
  /** Of the way up, in hexadecimal, with line ends as LF. */
  readonly sha256: string;
  readonly upStatements: readonly string[];
  readonly downStatements: readonly string[];
}

/** The migrations of `folder` in order. An empty folder is refused: it is most likely the wrong one. */
export async function readMigrations(
  folder: string,
): Promise<Result<readonly Migration[], MigrationError>> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  } catch (error) {
    return fail({ kind: "folder-unreadable", message: `${folder}: ${messageOf(error)}` });
  }
  const tags = names.filter((name) => !name.endsWith(DOWN_ENDING)).map((name) => bare(name));
  const fault = findFault(folder, names, tags);
  if (fault !== null) {
    return fail({ kind: "folder-invalid", message: fault });
  }
  const migrations: Migration[] = [];
  for (const tag of tags) {
    const migration = await readMigration(folder, tag);
    if (!migration.ok) {
      return migration;
    }
    migrations.push(migration.value);
  }
  return ok(migrations);
}

function findFault(
  folder: string,
  names: readonly string[],
  tags: readonly string[],
): string | null {
  const stray = names.find((name) => !FILE_NAME.test(name));
  if (stray !== undefined) {
    return `${stray} is not named like 0001_name.sql or 0001_name.down.sql.`;
  }
  if (tags.length === 0) {
    return `${folder} holds no migrations.`;
  }
  for (const [index, tag] of tags.entries()) {
    const previous = tags[index - 1];
    if (previous !== undefined && numberOf(previous) === numberOf(tag)) {
      return `${previous} and ${tag} have the same number.`;
    }
    const expected = String(index + 1).padStart(NUMBER_DIGITS, "0");
    if (numberOf(tag) !== expected) {
      return `There is no migration ${expected}: the next one is ${tag}.`;
    }
  }
  const oneWay = tags.find((tag) => !names.includes(`${tag}${DOWN_ENDING}`));
  if (oneWay !== undefined) {
    return `${oneWay}.sql has no way back: ${oneWay}${DOWN_ENDING} is missing.`;
  }
  const orphan = names.find((name) => name.endsWith(DOWN_ENDING) && !tags.includes(bare(name)));
  return orphan === undefined ? null : `${orphan} is the way back of a migration that is missing.`;
}

async function readMigration(
  folder: string,
  tag: string,
): Promise<Result<Migration, MigrationError>> {
  const parsed: string[][] = [];
  const texts: string[] = [];
  for (const name of [`${tag}.sql`, `${tag}${DOWN_ENDING}`]) {
    let text: string;
    try {
      // Why: a checkout may have turned the line ends, and that is no other migration.
      text = (await readFile(join(folder, name), "utf8")).replaceAll("\r\n", "\n");
    } catch (error) {
      return fail({ kind: "folder-unreadable", message: `${name}: ${messageOf(error)}` });
    }
    const statements = parseSql(text);
    const forbidden = statements.find(({ firstWord }) => FORBIDDEN_WORDS.has(firstWord));
    if (forbidden !== undefined || statements.length === 0) {
      const fault =
        forbidden === undefined ? "holds no statement" : describeForbidden(forbidden.firstWord);
      return fail({ kind: "folder-invalid", message: `${name} ${fault}.` });
    }
    texts.push(text);
    parsed.push(statements.map((statement) => statement.text));
  }
  const sha256 = createHash("sha256")
    .update(texts[0] ?? "")
    .digest("hex");
  const [upStatements = [], downStatements = []] = parsed;
  return ok({ tag, sha256, upStatements, downStatements });
}

function bare(name: string): string {
  return name.replace(/(?:\.down)?\.sql$/, "");
}

function numberOf(tag: string): string {
  return tag.slice(0, NUMBER_DIGITS);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function describeForbidden(word: string): string {
  return `uses ${word}, but each migration runs inside one transaction of the runner`;
}

const NUMBER_DIGITS = 4;
const DOWN_ENDING = ".down.sql";
const FILE_NAME = /^\d{4}_[a-z0-9_]+(?:\.down)?\.sql$/;

/** These end the runner's transaction, or cannot run inside one. */
const FORBIDDEN_WORDS: ReadonlySet<string> = new Set([
  "BEGIN",
  "COMMIT",
  "END",
  "ROLLBACK",
  "SAVEPOINT",
  "RELEASE",
  "VACUUM",
  "ATTACH",
  "DETACH",
]);
