/** The audit commands against the real API: searching, exporting, and verifying, also offline. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { makeCheckpoint } from "../../../worker/services/audit-checkpoints.ts";
import { startApiServer } from "../../harness/api-server.ts";
import { storeRelayTrail } from "../../harness/audit-trail.ts";
import { TEST_PASSWORD } from "../../harness/control-services.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { kerbside } from "../../unit/cli/kerbside-command.ts";

/** A control plane with a trail of some pages, and a folder to work in. */
async function startScene() {
  const api = await startApiServer();
  const folder = await makeTempFolder();
  await api.addUser("auditor", "auditor");
  await storeRelayTrail(api.context, "a", 230);
  await storeRelayTrail(api.context, "b", 5);
  // The planes of this file have one process, and a database each.
  api.context.signingKeys.forget();
  await makeCheckpoint(api.context);
  return {
    context: api.context,
    folder,
    run: async (...args: string[]) => {
      const login = ["--url", api.url, "--username", "auditor"];
      return await kerbside(folder, ["audit", ...args, ...login], TEST_PASSWORD);
    },
    offline: async (...args: string[]) => await kerbside(folder, ["audit", ...args]),
    tamper: async (text: string) => await api.context.database.run(sql.raw(text)),
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe("kerbside audit verify", () => {
  it("reads the whole trail and finds nothing wrong with a sound one", async () => {
    await using scene = await startScene();
    const verified = await scene.run("verify");
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.stdout).toMatch(/^2[34][0-9] events in [0-9]+ chains\.\n/);
    expect(verified.stdout).toMatch(
      /The newest checkpoint is 1 of 20.*Z; [0-9]+ events came after it\./,
    );
    expect(verified.stdout).toMatch(/Nothing was changed or removed\.\n$/);
  });

  it("says where a row was edited and where one is gone, and fails", async () => {
    await using scene = await startScene();
    await scene.tamper(
      "UPDATE audit_events SET data = '{}' WHERE writer = 'relay:a' AND seq = 210",
    );
    await scene.tamper("DELETE FROM audit_events WHERE writer = 'relay:b' AND seq >= 4");
    const verified = await scene.run("verify");
    expect(verified.code).toBe(1);
    expect(verified.stdout).toContain("2 findings.");
    expect(verified.stdout).toMatch(/^edited +relay:a +210 +event aud_/m);
    expect(verified.stdout).toMatch(
      /^truncated +relay:b +4-5 +checkpoint 1 of .* reaches farther/m,
    );
    const asJson = await scene.run("verify", "--json");
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      findingCount: 2,
      findings: [
        { kind: "edited", writer: "relay:a", fromSeq: 210, toSeq: 210 },
        { kind: "truncated", writer: "relay:b", fromSeq: 4, toSeq: 5 },
      ],
    });
  });

  it("verifies a file without the control plane, with keys that were kept elsewhere", async () => {
    await using scene = await startScene();
    const file = scene.folder.file("trail.ndjson");
    expect(await scene.run("export", "--whole", "--output", file)).toMatchObject({ code: 0 });
    const sound = await scene.offline("verify", "--file", file);
    expect(sound).toMatchObject({ code: 0 });
    expect(sound.stderr).toContain("The file's own keys are trusted");
    const keys = scene.folder.file("keys.json");
    const text = readFileSync(file, "utf8");
    const [head = "", ...lines] = text.split("\n");
    writeFileSync(keys, JSON.stringify(JSON.parse(head).trail));
    expect(await scene.offline("verify", "--file", file, "--keys", keys)).toMatchObject({
      code: 0,
      stderr: "",
    });
    const stranger = { kty: "OKP", crv: "Ed25519", x: "A".repeat(43), kid: "other" };
    writeFileSync(keys, JSON.stringify({ keys: [stranger] }));
    const unknown = await scene.offline("verify", "--file", file, "--keys", keys);
    expect(unknown.code).toBe(1);
    expect(unknown.stdout).toMatch(/^bad-checkpoint +- +- +checkpoint 1 is not signed by a key/m);
    // A line that was taken out of the file, and one whose text was changed.
    const cut = lines.filter((line) => !line.includes('"build":"b77"'));
    const edited = cut.map((line) => line.replace('"build":"b99"', '"build":"b98"'));
    writeFileSync(file, [head, ...edited].join("\n"));
    const tampered = await scene.offline("verify", "--file", file);
    expect(tampered.code).toBe(1);
    expect(tampered.stdout).toMatch(/^missing +relay:a +77 /m);
    expect(tampered.stdout).toMatch(/^edited +relay:a +99 /m);
  });

  it("compares with what was exported before, which no signature is needed for", async () => {
    await using scene = await startScene();
    const kept = scene.folder.file("kept.ndjson");
    const filters = ["--type", "relay.*", "--output", kept];
    expect(await scene.run("export", ...filters)).toMatchObject({ code: 0 });
    expect(await scene.run("verify", "--against", kept)).toMatchObject({ code: 0 });
    // Somebody who also can sign: rows, head and checkpoint all say that there were four.
    await scene.tamper("DELETE FROM audit_checkpoints");
    await scene.tamper("DELETE FROM audit_keyring");
    await scene.tamper("DELETE FROM audit_events WHERE writer = 'relay:b' AND seq = 5");
    await scene.tamper(
      `UPDATE audit_chains SET seq = 4, hash =
        (SELECT hash FROM audit_events WHERE writer = 'relay:b' AND seq = 4) WHERE writer = 'relay:b'`,
    );
    await makeCheckpoint(scene.context);
    expect(await scene.run("verify")).toMatchObject({ code: 0 });
    const compared = await scene.run("verify", "--against", kept);
    expect(compared.code).toBe(1);
    expect(compared.stdout).toMatch(/^truncated +relay:b +5 +.*kept\.ndjson reaches farther/m);
  });

  it.each([
    [["verify", "--file", "nowhere"], "nowhere cannot be read: it does not exist."],
    [["verify", "--file", "empty"], "empty is empty."],
    [["verify", "--file", "events"], "events is no whole trail: line 1 does not fit."],
    [["verify", "--file", "events", "--keys", "events"], "events is no JWK set of Ed25519 keys."],
    [["verify", "--file", "events", "--against", "empty"], "empty holds no event with writer,"],
  ])("says what is wrong with %j", async (args, sentence) => {
    await using folder = await makeTempFolder();
    writeFileSync(folder.file("empty"), "");
    writeFileSync(folder.file("events"), '{"id":"aud_1"}\n');
    const refused = await kerbside(folder, ["audit", ...args]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(sentence);
  });
});

describe("kerbside audit export", () => {
  it("writes a file of its user's alone, and never over another one", async () => {
    await using scene = await startScene();
    const file = scene.folder.file("relays.csv");
    const args = ["export", "--format", "csv", "--about", "rly_a", "--output", file];
    const done = await scene.run(...args);
    expect(done).toMatchObject({ code: 0, stdout: "" });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toMatch(/^id,at,type,/);
    const again = await scene.run(...args);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("cannot be written: ");
  });

  it.each([
    [["export"], "--output is missing."],
    [["export", "--output", "f", "--whole", "--type", "a.b"], "--whole goes with no filter"],
    [
      ["export", "--output", "f", "--from", "someday"],
      '--from cannot be "someday": give a time such as 2026-03-01, ',
    ],
    [["search", "--limit", "0"], "--limit must be a whole number from 1 on."],
  ])("refuses %j", async (args, sentence) => {
    await using folder = await makeTempFolder();
    const refused = await kerbside(folder, ["audit", ...args]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(sentence);
  });
});

describe("kerbside audit search", () => {
  it("prints what fits, over several pages, as a table or as lines of JSON", async () => {
    await using scene = await startScene();
    const table = await scene.run("search", "--type", "user.*", "--from", "1h");
    expect(table.stdout).toMatch(/^AT +TYPE +WHO +ABOUT +ADDRESS +DATA\n/);
    expect(table.stdout).toMatch(/user\.logged-in +usr_\S+ +.*{"username":"auditor",/);
    const args = ["search", "--actor", "a", "--limit", "215", "--json"];
    const lines = (await scene.run(...args)).stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(215);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ writer: "relay:a", seq: 230 });
    expect(await scene.run("search", "--type", "sun.*")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "None.\n",
    });
  });
});
