/** The files in which a relay's keys change: whole after every kill, and gone with their identity. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, watch, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { enrolRequestSchema } from "#shared/control/enrolment.ts";
import { enrolRelay } from "../../../relay/control/enrolment.ts";
import { readIdentity } from "../../../relay/control/identity-store.ts";
import { openKeyDisk } from "../../../relay/control/key-files.ts";
import { makeIdentityKey, publicKeyOf } from "../../../relay/control/relay-keys.ts";
import { generateSecrets } from "../../../worker/dev/secrets.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import {
  answerEnrolment,
  startFakeControlPlane,
} from "../../unit/relay-control/fake-control-plane.ts";
import { enrol } from "./enrolled-relay.ts";
import { startFakeHub } from "./fake-hub.ts";

const PROCESS = fileURLToPath(new URL("../../harness/relay/renewing-process.ts", import.meta.url));
const KILLS = 12;

async function enrolIn(folder: TempFolder): Promise<void> {
  await using hub = await startFakeHub();
  await enrol(folder.path, hub);
}

async function identityIn(folder: TempFolder) {
  const identity = await readIdentity(folder.path);
  if (!identity.ok) {
    throw new Error(identity.error);
  }
  return identity.value;
}

/** Resolves in the midst of a change: at so many of what a write to a file of the folder consists of. */
async function changesIn(path: string, count: number): Promise<void> {
  const watcher = watch(path);
  for (let change = 0; change < count; change += 1) {
    await once(watcher, "change");
  }
  watcher.close();
}

describe("the files of a relay's keys", () => {
  it("hold a key with its certificate, whenever the machine dies", async () => {
    await using folder = await makeTempFolder();
    await enrolIn(folder);
    const enrolled = (await identityIn(folder)).tls.cert;
    const { CA_CERTIFICATE, CA_KEY } = await generateSecrets(Date.now());
    const seen = new Set<string>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const args = [PROCESS, folder.path, CA_CERTIFICATE, CA_KEY];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      // Somewhere within the round that follows some rounds, at another place each time.
      for (let line = 0; line <= kill % 3; line += 1) {
        await once(child.stdout, "data");
      }
      await changesIn(folder.path, 1 + (kill % 4));
      child.kill("SIGKILL");
      await exited;
      // It reads: the pair matches, and so does the identity.
      const { tls, identityKey } = await identityIn(folder);
      seen.add(tls.cert);
      expect(publicKeyOf(identityKey)).toHaveLength(43);
    }
    expect(seen.size).toBe(KILLS);
    expect(seen.has(enrolled)).toBe(false);
  }, 60_000);

  it("are for their owner's eyes, and what a torn write left is not read", async () => {
    await using folder = await makeTempFolder();
    await enrolIn(folder);
    const before = await identityIn(folder);
    writeFileSync(folder.file("tls.pem.new"), "-----BEGIN PRIVATE KEY-----\nhalf");
    writeFileSync(folder.file("identity-key-next.pem.new"), "half");
    expect((await identityIn(folder)).tls).toEqual(before.tls);
    const disk = openKeyDisk(folder.path);
    expect(await disk.storeTls(before.tls, before.ca)).toEqual({ ok: true, value: null });
    expect(await disk.storeNextKey(await makeIdentityKey())).toEqual({ ok: true, value: null });
    for (const name of ["tls.pem", "identity-key-next.pem", "ca.pem"]) {
      expect(statSync(folder.file(name)).mode & 0o777).toBe(0o600);
    }
    const { nextIdentityKey, tls } = await identityIn(folder);
    expect(tls.key).toBe(before.tls.key.trim());
    expect(nextIdentityKey).not.toBeNull();
    await disk.promoteNextKey();
    const after = await identityIn(folder);
    expect(after.nextIdentityKey).toBeNull();
    expect(publicKeyOf(after.identityKey)).not.toBe(publicKeyOf(before.identityKey));
  });

  it("are told of when they are corrupt, and a next key that is nonsense is none", async () => {
    await using folder = await makeTempFolder();
    await enrolIn(folder);
    writeFileSync(folder.file("identity-key-next.pem"), "nonsense");
    expect((await identityIn(folder)).nextIdentityKey).toBeNull();
    writeFileSync(folder.file("tls.pem"), "nonsense");
    expect(await readIdentity(folder.path)).toMatchObject({
      ok: false,
      error: expect.stringContaining("tls.pem is missing or corrupt"),
    });
  });

  it("go when another identity is enrolled in their folder", async () => {
    await using folder = await makeTempFolder();
    await enrolIn(folder);
    const { tls, ca } = await identityIn(folder);
    const disk = openKeyDisk(folder.path);
    await disk.storeTls(tls, ca);
    await disk.storeNextKey(await makeIdentityKey());
    await using plane = await startFakeControlPlane(({ body }) =>
      answerEnrolment(plane.url, enrolRequestSchema.parse(body).csr),
    );
    const again = await enrolRelay({
      ...{ controlUrl: plane.url, joinToken: "kjt", name: "relay-2", host: "127.0.0.1" },
      ...{ tlsPort: 5900, stateDir: folder.path, isReplacing: true },
    });
    expect(again.ok).toBe(true);
    expect(existsSync(folder.file("tls.pem"))).toBe(false);
    expect(existsSync(folder.file("identity-key-next.pem"))).toBe(false);
    expect((await identityIn(folder)).tls.cert).toBe(
      readFileSync(folder.file("tls-certificate.pem"), "utf8"),
    );
  });
});
