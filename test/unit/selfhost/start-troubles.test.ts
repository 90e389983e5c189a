/** What a person is told when a start fails for a reason that a person can mend. */
import { mkdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { DatabaseFileError } from "../../../worker/dev/libsql/database-file.ts";
import { SqlFailure } from "../../../worker/dev/libsql/sql-failure.ts";
import { MigrationFailure } from "../../../worker/dev/migrate/migrate-database.ts";
import { sayTrouble } from "../../../worker/dev/say-trouble.ts";
import { StartError, StateFolder } from "../../../worker/dev/state-folder.ts";
import { sentenceOf } from "../../../worker/dev/terminal.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

const state = new StateFolder("/srv/kerbside", "restore it from a backup");

describe("trouble with a state folder", () => {
  it.each([
    ["damage alone", new DatabaseFileError("It is damaged.", true), /corrupt: .* Restore it/],
    ["no lock", new DatabaseFileError("It is locked.", false), /^It is locked\.$/],
    ["no other version", new MigrationFailure("It is older."), /control\.db cannot be brought up/],
  ])("has a backup for its remedy only when it is damage: %s", (_what, error, sentence) => {
    const told = sayTrouble(error, state);
    expect(told).toBeInstanceOf(StartError);
    expect(sentenceOf(told)).toMatch(sentence);
    expect(/restore/i.test(sentenceOf(told))).toBe(
      error instanceof DatabaseFileError && error.isDamage,
    );
  });

  it.each([
    Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }),
    Object.assign(new Error("EDQUOT: disk quota exceeded"), { code: "EDQUOT" }),
    new SqlFailure("SQLITE_FULL", "database or disk is full"),
  ])("is a sentence when the disk is full: %s", (error) => {
    expect(sentenceOf(sayTrouble(error, state))).toBe(
      "No space is left on the disk: make room and start again.",
    );
  });

  it("names the file that may not be used", () => {
    const error = Object.assign(new Error("EACCES: permission denied, open '/srv/x'"), {
      code: "EACCES",
      path: "/srv/x",
    });
    expect(sentenceOf(sayTrouble(error, state))).toBe(
      "/srv/x cannot be used (EACCES): it has to belong to the user that starts this.",
    );
  });

  it("is not called corruption when a file cannot be read", async () => {
    await using folder = await makeTempFolder();
    // Root may read every file, but nobody a folder as one.
    await mkdir(folder.file("secrets.json"));
    await expect(new StateFolder(folder.path).secrets(0)).rejects.toThrow("EISDIR");
  });

  it("is told with its stack when it is a failure of ours", () => {
    expect(sentenceOf(sayTrouble(new TypeError("x is undefined"), state))).toContain("    at ");
  });
});
