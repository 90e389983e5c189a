/**
 * Opens and examines a database file before anything is served from it, so that a wrong or damaged
 * file is one sentence at the start and not a riddle later. It never repairs or replaces a file.
 */
import { accessSync, closeSync, constants, openSync } from "node:fs";

import { openConnection } from "./connection.ts";
import { BUSY_RETRY_MS, START_WAIT_MS_MAX } from "./limits.ts";
import { isBusy, SqlFailure, sqlFailureFrom } from "./sql-failure.ts";
import { waitFor } from "./timers.ts";

import type { Connection } from "./connection.ts";
import type { Timers } from "./timers.ts";

/** The file cannot be served; the message says which file, why, and what to do. */
export class DatabaseFileError extends Error {
  override readonly name = "DatabaseFileError";
  /** Whether it is the file's content that is wrong. */
  readonly isDamage: boolean;

  constructor(message: string, isDamage: boolean) {
    super(message);
    this.isDamage = isDamage;
  }
}

/**
 * Makes the file (for this account only) when there is none, checks it, and sets WAL mode. Its
 * folder has to exist. @throws {DatabaseFileError}
 */
export async function prepareDatabaseFile(file: string, timers: Timers): Promise<void> {
  createWhenMissing(file);
  const giveUpAtMs = timers.nowMs() + START_WAIT_MS_MAX;
  for (;;) {
    try {
      examine(file);
      return;
    } catch (error) {
      if (!isBusy(error) || timers.nowMs() >= giveUpAtMs) {
        throw describeFailure(file, error);
      }
    }
    await waitFor(timers, BUSY_RETRY_MS, NEVER_ABORTED);
  }
}

/** Moves the log into the file. Another process that uses the file may keep a part of it back. */
export function checkpoint(file: string): void {
  const connection = openConnection(file);
  try {
    connection.readAll("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    connection.close();
  }
}

/**
 * Makes it, or looks whether it may be used, which SQLite would tell by a number alone. Never opens a
 * file that exists: closing it would drop the locks SQLite holds in this process.
 */
function createWhenMissing(file: string): void {
  try {
    closeSync(openSync(file, "wx", FILE_MODE));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) {
      throw describeFailure(file, error);
    }
  }
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw describeFailure(file, error);
  }
}

function examine(file: string): void {
  let connection: Connection | null = null;
  try {
    connection = openConnection(file);
    const [finding] = connection.readAll("PRAGMA quick_check(1)")[0] ?? [];
    if (finding !== "ok") {
      throw new SqlFailure("SQLITE_CORRUPT", String(finding));
    }
    connection.readAll("PRAGMA journal_mode = WAL");
  } catch (error) {
    throw sqlFailureFrom(error);
  } finally {
    connection?.close();
  }
}

function describeFailure(file: string, error: unknown): DatabaseFileError {
  const reason = error instanceof Error ? error.message : String(error);
  const code = error instanceof SqlFailure ? error.code : "";
  if (code === "SQLITE_NOTADB") {
    return new DatabaseFileError(
      `${file} is not a database. Move it away, or name another file, and start again.`,
      true,
    );
  }
  if (code.startsWith("SQLITE_CORRUPT")) {
    return new DatabaseFileError(
      `The database ${file} is damaged (${reason}). Put a copy back, or move it away, and start again.`,
      true,
    );
  }
  if (isBusy(error)) {
    return new DatabaseFileError(
      `The database ${file} is locked by another program. Stop that program and start again.`,
      false,
    );
  }
  return new DatabaseFileError(`The database ${file} cannot be opened: ${reason}.`, false);
}

/** The file holds password hashes and keys: nobody else on the machine may read it. */
const FILE_MODE = 0o600;

const NEVER_ABORTED = new AbortController().signal;
