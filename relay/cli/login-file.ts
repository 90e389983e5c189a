/** The login of this user on this machine: where, with which token, until when. */
import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { sayCommand } from "../program.ts";
import { prepareFolder, reasonOf, writeFileAtomically } from "../control/state-folder.ts";

const loginSchema = z.object({
  url: z.string().min(1),
  token: z.string().min(1),
  expiresAt: z.string(),
});

export type StoredLogin = z.infer<typeof loginSchema>;

/** The stored login; null when there is none. A failure is a sentence. */
export async function readLogin(path: string): Promise<Result<StoredLogin | null, string>> {
  try {
    const parsed = loginSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    return parsed.success ? ok(parsed.data) : fail(corrupt(path));
  } catch (error) {
    if (error instanceof SyntaxError) {
      return fail(corrupt(path));
    }
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return isMissing ? ok(null) : fail(`${path} cannot be read: ${reasonOf(error)}.`);
  }
}

/** Keeps a login: mode 0600 in a folder of mode 0700. */
export async function writeLogin(path: string, login: StoredLogin): Promise<Result<null, string>> {
  const prepared = await prepareFolder(dirname(path));
  return prepared.ok ? writeFileAtomically(path, `${JSON.stringify(login, null, 2)}\n`) : prepared;
}

/** Forgets the login. */
export async function removeLogin(path: string): Promise<void> {
  await rm(path, { force: true });
}

function corrupt(path: string): string {
  return `${path} is corrupt. Log in again: ${sayCommand("login")}.`;
}
