/**
 * A process that does nothing but keep renewed certificates, for tests that kill it: signs them
 * itself, with the key of an authority from its environment, and says a line after each.
 */
import "reflect-metadata";
import { randomBytes } from "node:crypto";
import { openKeyDisk } from "../../../relay/control/key-files.ts";
import { makeIdentityKey, makeTlsRequest } from "../../../relay/control/relay-keys.ts";
import { signRelayCertificate } from "../../../worker/services/certificate-authority.ts";

const [stateDir = "", caCertificate = "", caKey = ""] = process.argv.slice(2);
const disk = openKeyDisk(stateDir);
const moment = { nowMs: Date.now(), randomBytes: (count: number) => randomBytes(count) };

for (;;) {
  const { tlsKey, csr } = await makeTlsRequest("relay");
  const request = { csr, name: "relay", host: "127.0.0.1" };
  const signed = await signRelayCertificate({ caCertificate, caKey }, request, moment);
  if (!signed.ok) {
    throw new Error(signed.error.detail);
  }
  const stored = await disk.storeTls(
    { cert: signed.value.certificate, key: tlsKey },
    caCertificate,
  );
  const next = await disk.storeNextKey(await makeIdentityKey());
  const moved = await disk.promoteNextKey();
  if (!stored.ok || !next.ok || !moved.ok) {
    throw new Error(JSON.stringify([stored, next, moved]));
  }
  process.stdout.write(".\n");
}
