/** How the relay speaks TLS, as OpenSSL's own client sees it. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeIdentity } from "../../harness/relay/test-identity.ts";
import { WaysIn } from "./ways-in-fixture.ts";

let ways: WaysIn;

beforeAll(async () => {
  ways = await WaysIn.start();
});

afterAll(async () => {
  await ways[Symbol.asyncDispose]();
});

/** What `openssl s_client` prints, its errors included. */
async function sClient(...options: string[]): Promise<string> {
  const target = ["-connect", `127.0.0.1:${ways.port("tls")}`];
  return new Promise((resolve) => {
    const child = execFile(
      "openssl",
      ["s_client", ...target, ...options],
      { timeout: 10_000 },
      (_error, stdout, stderr) => {
        resolve(stdout + stderr);
      },
    );
    child.stdin?.end("Q\n");
  });
}

const SECURED = /Cipher is (?!\(NONE\))/;
const WEAK = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

describe("TLS", () => {
  it.each([
    ["1.3", ["-tls1_3"], "TLS_AES_128_GCM_SHA256"],
    ["1.2", ["-tls1_2"], "ECDHE-ECDSA-AES128-GCM-SHA256"],
  ])("%s is spoken, with our first cipher", async (_version, options, cipher) => {
    const printed = await sClient(...options);
    expect(printed).toContain(`Cipher is ${cipher}\n`);
    expect(printed).toContain("Compression: NONE");
    expect(printed).not.toMatch(/ALPN protocol:/);
  });

  it.each(["-tls1", "-tls1_1"])("%s is refused", async (version) => {
    const printed = await sClient(version, "-cipher", WEAK);
    expect(printed).not.toMatch(SECURED);
    // The client was willing: it is the relay that said no.
    expect(printed).toMatch(/alert protocol version/);
  });

  it.each([
    ["CBC", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384"],
    ["RSA key exchange", "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA"],
    ["finite fields", "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384"],
    ["CCM", "ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-CCM8"],
    ["no authentication", "aNULL"],
    ["no encryption", "eNULL"],
  ])("%s is refused", async (_name, ciphers) => {
    const printed = await sClient("-tls1_2", "-cipher", `${ciphers}:@SECLEVEL=0`);
    expect(printed).not.toMatch(SECURED);
    expect(printed).toMatch(/alert handshake failure/);
  });

  it("prefers its own order, but lets a client without AES in hardware have ChaCha20", async () => {
    const reversed = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
    expect(await sClient("-tls1_2", "-cipher", reversed)).toContain(
      "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256\n",
    );
    const chacha = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
    expect(await sClient("-tls1_2", "-cipher", chacha)).toContain(
      "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305\n",
    );
  });

  it("agrees on modern curves and on no old one", async () => {
    expect(await sClient("-tls1_3", "-groups", "X25519")).toMatch(/Temp Key: X25519/);
    expect(await sClient("-tls1_3", "-groups", "P-521:P-256")).toMatch(/prime256v1|P-256/);
    expect(await sClient("-tls1_3", "-groups", "P-521")).not.toMatch(SECURED);
  });

  it("gives no session tickets in TLS 1.2, and none that resumes in TLS 1.3", async () => {
    expect(await sClient("-tls1_2")).not.toMatch(/TLS session ticket:/);
    const sessions: Buffer[] = [];
    const first = (await ways.secure({ minVersion: "TLSv1.3" })).stream as TLSSocket;
    first.on("session", (session) => {
      sessions.push(session);
    });
    first.resume();
    const accepted = ways.accepted.length;
    first.write("REDQ");
    const { stream } = await ways.handedOn(accepted);
    stream.end("x");
    await once(first, "end");
    for (const session of sessions) {
      const again = (await ways.secure({ session })).stream as TLSSocket;
      expect(again.isSessionReused()).toBe(false);
    }
  });

  it("does not renegotiate", async () => {
    const socket = (await ways.secure({ maxVersion: "TLSv1.2" })).stream as TLSSocket;
    const ended = Promise.withResolvers<Error | null>();
    socket.once("error", ended.resolve);
    socket.resume();
    socket.renegotiate({}, ended.resolve);
    expect((await ended.promise)?.message).toMatch(/no renegotiation/);
  });

  it("does not start with a certificate that does not fit its key", async () => {
    const [one, two] = await Promise.all([makeIdentity(), makeIdentity()]);
    expect(() => new WaysIn({ ...one, key: two.key }, {})).toThrow();
  });

  it("serves an RSA certificate just so", async () => {
    const identity = await makeIdentity({ keyType: "rsa2048" });
    const before = ways.identity;
    ways.ports.replaceIdentity(identity);
    expect(await sClient("-tls1_2")).toContain("Cipher is ECDHE-RSA-AES128-GCM-SHA256\n");
    expect(await sClient("-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-SHA")).not.toMatch(
      SECURED,
    );
    ways.ports.replaceIdentity(before);
  });
});
