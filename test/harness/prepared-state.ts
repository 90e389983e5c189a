/**
 * The state folder of a self-hosted control plane before its first start, with a database that the
 * test has filled: what an operator would have after years, or what no API call makes in time.
 */
import { randomBytes } from "node:crypto";
import Database from "libsql";
import { openSelfhostState } from "../../worker/selfhost/selfhost-state.ts";
import type { Secrets } from "../../worker/dev/secrets.ts";
import { FIRST_ADMIN } from "../../worker/dev/state-folder.ts";
import { hashPassword } from "../../worker/identity/passwords.ts";
import { hashSecretToken, newSecretToken } from "../../worker/identity/secret-token.ts";

/** A folder that was prepared. */
export interface PreparedState {
  readonly databaseFile: string;
  readonly secrets: Secrets;
}

/** The admin whom the folder's password belongs to. */
export const PREPARED_ADMIN_ID = "usr_first";

/**
 * Makes the folder, its secrets, its database, and the admin whose password lies there as the host
 * expects it.
 *
 * @param makeDatabase writes the file, migrated, with or without rows
 */
export async function prepareState(
  stateDir: string,
  makeDatabase: (file: string) => Promise<void>,
): Promise<PreparedState> {
  const state = openSelfhostState(stateDir);
  state.open({ reset: false });
  try {
    const { databaseFile } = state;
    const secrets = await state.secrets(Date.now());
    await makeDatabase(databaseFile);
    const { password } = state.firstAdminPassword();
    const passwordHash = await hashPassword(password, (count) => randomBytes(count));
    writeDatabase(databaseFile, (database) => {
      database
        .prepare(
          `INSERT INTO users (id, username, password_hash, role, created_at_ms)
           VALUES (?, ?, ?, 'admin', 0)`,
        )
        .run([PREPARED_ADMIN_ID, FIRST_ADMIN, passwordHash]);
    });
    return { databaseFile, secrets };
  } finally {
    state.close();
  }
}

/** Writes rows in one transaction. */
export function writeDatabase(file: string, write: (database: Database.Database) => void): void {
  const database = new Database(file);
  try {
    database.exec("BEGIN");
    write(database);
    database.exec("COMMIT");
  } finally {
    database.close();
  }
}

/** Logs the users in by rows; gives their bearer tokens, in their order. */
export async function makeLogins(file: string, userIds: readonly string[]): Promise<string[]> {
  const nowMs = Date.now();
  const tokens = userIds.map(() => newSecretToken("bearer", (count) => randomBytes(count)));
  const hashes = await Promise.all(tokens.map(hashSecretToken));
  writeDatabase(file, (database) => {
    const insert = database.prepare(
      `INSERT INTO logins (id, user_id, token_hash, created_at_ms, expires_at_ms)
       VALUES (?, ?, ?, ?, ?)`,
    );
    for (const [index, userId] of userIds.entries()) {
      const id = `lgn_of_${userId}_${index}`;
      insert.run([id, userId, hashes[index], nowMs, nowMs + LOGIN_LIFE_MS]);
    }
  });
  return tokens;
}

const LOGIN_LIFE_MS = 60 * 60 * 1000;
