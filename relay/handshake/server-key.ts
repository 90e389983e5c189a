/** The hypervisor's RSA key, and the password encrypted for it, as spice-gtk does it. */
import { constants, createPublicKey, type KeyObject, publicEncrypt } from "node:crypto";
import { ENCRYPTED_TICKET_BYTES, PASSWORD_BYTES_MAX } from "#shared/spice/link.ts";
import { LegFailure } from "./link-failure.ts";

export type ServerKey = KeyObject;

/**
 * The key of a link reply.
 * @throws {LegFailure} server.malformed when it is none.
 */
export function readServerKey(der: Uint8Array): ServerKey {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch {
    throw new LegFailure("server.malformed", "the server's key is not a public key");
  }
}

/**
 * The 128 bytes that follow the mechanism: OAEP with SHA-1.
 * @throws {LegFailure} server.ticket-refused for a password that SPICE cannot carry, or
 * server.malformed for a key that cannot encrypt one.
 */
export function encryptPassword(key: ServerKey, password: string): Uint8Array {
  const text = Buffer.from(password, "utf8");
  if (text.length > PASSWORD_BYTES_MAX) {
    throw new LegFailure("server.ticket-refused", "SPICE passwords have at most 60 bytes");
  }
  // The NUL that ends a C string is part of what is encrypted (spice-gtk, spice-channel.c).
  const plain = Buffer.concat([text, Buffer.alloc(1)]);
  let encrypted: Buffer;
  try {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    encrypted = publicEncrypt({ key, padding, oaepHash: "sha1" }, plain);
  } catch {
    throw new LegFailure("server.malformed", "the server's key is not an RSA key");
  }
  if (encrypted.length !== ENCRYPTED_TICKET_BYTES) {
    throw new LegFailure("server.malformed", "the server's key has not 1024 bits");
  }
  return encrypted;
}
