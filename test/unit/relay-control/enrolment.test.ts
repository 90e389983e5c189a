/** Enrolment and the identity that it leaves: whole, private, or not there at all. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { enrolRequestSchema } from "#shared/control/enrolment.ts";
import { parseControlUrl, relayLinkUrl } from "../../../relay/control/control-url.ts";
import { enrolRelay } from "../../../relay/control/enrolment.ts";
import { readIdentity } from "../../../relay/control/identity-store.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import {
  answerEnrolment,
  type FakeAnswer,
  type HeardRequest,
  problem,
  startFakeControlPlane,
} from "./fake-control-plane.ts";

const csrOf = (request: HeardRequest): string => enrolRequestSchema.parse(request.body).csr;

function options(controlUrl: string, folder: TempFolder) {
  return {
    controlUrl,
    joinToken: "kjt_secret",
    name: "relay-1",
    host: "relay.example",
    tlsPort: 5900,
    stateDir: folder.file("state"),
  };
}

async function startSigning(isOtherKey = false) {
  const plane = await startFakeControlPlane((request) =>
    answerEnrolment(plane.url, csrOf(request), isOtherKey),
  );
  return plane;
}

describe("enrolment", () => {
  it("writes an identity that can be read again, for its owner's eyes only", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    const enrolled = await enrolRelay(options(plane.url, folder));
    expect(enrolled).toMatchObject({ ok: true, value: { linkUrl: relayLinkUrl(plane.url) } });
    const identity = await readIdentity(folder.file("state"));
    if (!identity.ok) {
      throw new Error(identity.error);
    }
    expect(identity.value).toMatchObject({
      relayId: "rly_AAAAAAAAAAAAAAAAAAAAAA",
      controlUrl: plane.url,
      name: "relay-1",
      host: "relay.example",
      tlsPort: 5900,
      hostSubject: "CN=relay-1",
    });
    const sent = enrolRequestSchema.parse(plane.heard[0]?.body);
    const { x } = createPublicKey(identity.value.identityKey).export({ format: "jwk" });
    expect(sent.publicKey).toBe(x);
    expect(statSync(folder.file("state")).mode & 0o777).toBe(0o700);
    const names = readdirSync(folder.file("state")).sort();
    expect(names).toEqual([
      "ca.pem",
      "identity-key.pem",
      "identity.json",
      "tls-certificate.pem",
      "tls-key.pem",
    ]);
    for (const name of names) {
      expect(statSync(folder.file(`state/${name}`)).mode & 0o777).toBe(0o600);
    }
    // Neither private key nor join token leaves, or stays, where it should not.
    expect(JSON.stringify(plane.heard)).not.toContain("PRIVATE KEY");
    expect(
      names.map((name) => readFileSync(folder.file(`state/${name}`), "utf8")).join(),
    ).not.toContain("kjt_");
  });

  it("does not overwrite an identity unless told to", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    await enrolRelay(options(plane.url, folder));
    const again = await enrolRelay(options(plane.url, folder));
    expect(again).toMatchObject({ ok: false, error: expect.stringContaining("--replace") });
    expect(plane.heard).toHaveLength(1);
    const before = readFileSync(folder.file("state/identity-key.pem"), "utf8");
    const replaced = await enrolRelay({ ...options(plane.url, folder), isReplacing: true });
    expect(replaced.ok).toBe(true);
    expect(readFileSync(folder.file("state/identity-key.pem"), "utf8")).not.toBe(before);
    expect((await readIdentity(folder.file("state"))).ok).toBe(true);
  });

  it("leaves no identity when it is interrupted while it replaces one", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    await enrolRelay(options(plane.url, folder));
    rmSync(folder.file("state/tls-certificate.pem"));
    mkdirSync(folder.file("state/tls-certificate.pem"));
    const replaced = await enrolRelay({ ...options(plane.url, folder), isReplacing: true });
    expect(replaced).toMatchObject({ ok: false, error: expect.stringContaining("it is a folder") });
    expect(await readIdentity(folder.file("state"))).toMatchObject({
      ok: false,
      error: expect.stringContaining("holds no relay identity"),
    });
  });

  it.each<[string, FakeAnswer, RegExp]>([
    [
      "a join token that is used up",
      problem(401, "join-token.invalid", "The join token is unknown, used or expired."),
      /^The join token is unknown, used or expired\. \(join-token\.invalid, request req_1\)$/,
    ],
    ["an answer that is none", { json: { relayId: 5 } }, /is it a Kerbside control plane\?$/],
    ["another kind of server", { status: 404, text: "<html>" }, /answered 404 to POST/],
  ])("leaves nothing that looks enrolled after %s", async (_what, answer, sentence) => {
    await using folder = await makeTempFolder();
    await using plane = await startFakeControlPlane(() => answer);
    const enrolled = await enrolRelay(options(plane.url, folder));
    expect(enrolled).toMatchObject({ ok: false, error: expect.stringMatching(sentence) });
    expect(existsSync(folder.file("state"))).toBe(false);
  });

  it("refuses a certificate for another key", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning(true);
    const enrolled = await enrolRelay(options(plane.url, folder));
    expect(enrolled).toMatchObject({ ok: false, error: expect.stringContaining("not for this") });
    expect(existsSync(folder.file("state"))).toBe(false);
  });

  it("says that the control plane is not running", async () => {
    await using folder = await makeTempFolder();
    const plane = await startSigning();
    await plane[Symbol.asyncDispose]();
    const enrolled = await enrolRelay(options(plane.url, folder));
    expect(enrolled).toMatchObject({
      ok: false,
      error: `The control plane at ${plane.url} is not running: nothing listens there. Start it, or check the URL.`,
    });
  });

  it("gives up on a control plane that does not answer", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startFakeControlPlane(() => new Promise(() => {}));
    const enrolled = await enrolRelay({ ...options(plane.url, folder), deadlineMs: 50 });
    expect(enrolled).toMatchObject({ ok: false, error: expect.stringContaining("in time") });
  });

  it.each([
    ["name", { name: "Relay One" }],
    ["host", { host: "relay.example:5900" }],
    ["tlsPort", { tlsPort: 0 }],
  ])("judges the %s before the join token is used up", async (field, wrong) => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    const enrolled = await enrolRelay({ ...options(plane.url, folder), ...wrong });
    expect(enrolled).toMatchObject({ ok: false, error: expect.stringContaining(field) });
    expect(plane.heard).toEqual([]);
  });

  it("finds a folder that cannot be used before the join token is used up", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    writeFileSync(folder.file("state"), "a file");
    const enrolled = await enrolRelay(options(plane.url, folder));
    expect(enrolled).toMatchObject({ ok: false, error: expect.stringContaining("cannot be used") });
    expect(plane.heard).toEqual([]);
  });
});

describe("enrolment into a folder that exists", () => {
  it("changes nothing in one with other people's files, and uses no join token up", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    mkdirSync(folder.file("state"));
    writeFileSync(folder.file("state/thesis.txt"), "mine");
    chmodSync(folder.file("state"), 0o755);
    const enrolled = await enrolRelay({ ...options(plane.url, folder), isReplacing: true });
    expect(enrolled).toEqual({
      ok: false,
      error: `${folder.file("state")} is not empty and no state folder of a relay: choose another.`,
    });
    expect(plane.heard).toEqual([]);
    expect(statSync(folder.file("state")).mode & 0o777).toBe(0o755);
  });

  it("changes no mode when the control plane refuses", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startFakeControlPlane(() => ({ status: 404, text: "" }));
    mkdirSync(folder.file("state"));
    chmodSync(folder.file("state"), 0o755);
    expect((await enrolRelay(options(plane.url, folder))).ok).toBe(false);
    expect(statSync(folder.file("state")).mode & 0o777).toBe(0o755);
  });

  it("takes an empty one, and a new file system's", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    mkdirSync(folder.file("state/lost+found"), { recursive: true });
    chmodSync(folder.file("state"), 0o755);
    expect((await enrolRelay(options(plane.url, folder))).ok).toBe(true);
    expect(statSync(folder.file("state")).mode & 0o777).toBe(0o700);
  });

  it("takes a relay's that lost its identity", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    await enrolRelay(options(plane.url, folder));
    rmSync(folder.file("state/identity.json"));
    expect((await enrolRelay(options(plane.url, folder))).ok).toBe(true);
  });

  it("makes one with its parents", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startSigning();
    const stateDir = folder.file("a/b/state");
    expect((await enrolRelay({ ...options(plane.url, folder), stateDir })).ok).toBe(true);
    expect((await readIdentity(stateDir)).ok).toBe(true);
  });
});

describe("a stored identity", () => {
  it("is missing before enrolment", async () => {
    await using folder = await makeTempFolder();
    expect(await readIdentity(folder.path)).toEqual({
      ok: false,
      error: `${folder.path} holds no relay identity. Enrol it first: npx kerbside relay enrol.`,
    });
  });

  it.each(["identity.json", "identity-key.pem", "tls-key.pem", "tls-certificate.pem"])(
    "names %s when that is corrupt or missing",
    async (name) => {
      await using folder = await makeTempFolder();
      await using plane = await startSigning();
      await enrolRelay(options(plane.url, folder));
      const path = folder.file(`state/${name}`);
      writeFileSync(path, "{}");
      const expected = {
        ok: false,
        error: expect.stringContaining(`${path} is missing or corrupt`),
      };
      expect(await readIdentity(folder.file("state"))).toEqual(expected);
      if (name !== "identity.json") {
        rmSync(path);
        expect(await readIdentity(folder.file("state"))).toEqual(expected);
      }
    },
  );

  it("says what keeps a file from being read", async () => {
    await using folder = await makeTempFolder();
    mkdirSync(folder.file("identity.json"));
    chmodSync(folder.path, 0o700);
    expect(await readIdentity(folder.path)).toEqual({
      ok: false,
      error: `${folder.file("identity.json")} cannot be read: it is a folder.`,
    });
  });
});

describe("the control plane's URL", () => {
  it.each([
    ["https://kerbside.example", "https://kerbside.example"],
    ["https://kerbside.example/", "https://kerbside.example"],
    ["http://127.0.0.1:8787/base//", "http://127.0.0.1:8787/base"],
  ])("%s becomes %s", (text, url) => {
    expect(parseControlUrl(text)).toEqual({ ok: true, value: url });
  });

  it.each(["kerbside.example", "ftp://x/", "https://user:secret@x/", "https://x/?a=b", ""])(
    "refuses %j",
    (text) => {
      expect(parseControlUrl(text).ok).toBe(false);
    },
  );

  it("leads to the relays' socket", () => {
    expect(relayLinkUrl("https://x/base")).toBe("wss://x/base/api/v1/relays/link");
  });
});
