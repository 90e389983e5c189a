/**
 * The server leg: here we are the SPICE client. Links one channel with the hypervisor in the
 * client's name: its connection id, its capabilities, but our password.
 */
import { constants, createPublicKey, type KeyObject, publicEncrypt } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  clientCapabilitiesForServer,
  COMMON_CAPABILITY,
  hasCapability,
} from "#shared/spice/capabilities.ts";
import { CHANNEL_TYPE } from "#shared/spice/channel-names.ts";
import {
  AUTH_MECHANISM,
  encodeAuthMechanism,
  encodeLinkMessage,
  ENCRYPTED_TICKET_BYTES,
  LINK_ERROR,
  LINK_HEADER_BYTES,
  LINK_RESULT_BYTES,
  linkErrorName,
  parseLinkHeader,
  parseLinkReply,
  parseLinkResult,
  PASSWORD_BYTES_MAX,
} from "#shared/spice/link.ts";
import { ByteSource } from "./byte-source.ts";
import type { ClientLink } from "./client-leg.ts";
import { judgeLeg, LegFailure } from "./link-failure.ts";

export interface ServerLinkRequest {
  readonly link: ClientLink;
  /** The hypervisor's SPICE password; empty when it wants none. */
  readonly password: string;
  readonly deadlineMs: number;
}

/**
 * Links the channel; afterwards the stream's next byte is its first message. On failure the caller
 * destroys the stream; destroying it meanwhile makes this fail at once.
 */
export async function linkServer(
  stream: Duplex,
  request: ServerLinkRequest,
): Promise<Result<null, Failure>> {
  const source = new ByteSource(stream);
  const result = await judgeLeg("server", async () => {
    source.beginPhase(request.deadlineMs);
    stream.write(encodeLinkMessage(linkMessageFor(request.link)));
    const key = await readReply(source);
    stream.write(encodeAuthMechanism(AUTH_MECHANISM.spice));
    stream.write(encryptPassword(key, request.password));
    judgeResult(parseLinkResult(await source.read(LINK_RESULT_BYTES)));
    return null;
  });
  source.release();
  return result;
}

function linkMessageFor(link: ClientLink): Parameters<typeof encodeLinkMessage>[0] {
  const capabilities = clientCapabilitiesForServer(link.capabilities);
  return {
    // The server gave this id out itself, in MAIN_INIT; a main channel has none yet.
    connectionId: link.channel === "main" ? 0 : link.connectionId,
    channelType: CHANNEL_TYPE[link.channel],
    channelId: link.channelId,
    commonCapabilities: capabilities.common,
    channelCapabilities: capabilities.channel,
  };
}

async function readReply(source: ByteSource): Promise<KeyObject> {
  const header = parseLinkHeader(await source.read(LINK_HEADER_BYTES), "server");
  const reply = parseLinkReply(await source.read(header.sizeBytes));
  if (reply.error === LINK_ERROR.NEED_SECURED) {
    throw new LegFailure("server.needs-secured", "the server answered NEED_SECURED");
  }
  if (reply.error !== LINK_ERROR.OK) {
    throw refused(reply.error);
  }
  if (reply.publicKey.every((byte) => byte === 0)) {
    throw new LegFailure("server.sasl-required", "the server sent no key");
  }
  for (const name of ["MINI_HEADER", "PROTOCOL_AUTH_SELECTION"] as const) {
    if (!hasCapability(reply.commonCapabilities, COMMON_CAPABILITY[name])) {
      throw new LegFailure("server.capability-missing", name);
    }
  }
  return readPublicKey(reply.publicKey);
}

function readPublicKey(der: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch {
    throw new LegFailure("server.malformed", "the server's key is not a public key");
  }
}

function encryptPassword(key: KeyObject, password: string): Uint8Array {
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

function judgeResult(result: number): void {
  if (result === LINK_ERROR.PERMISSION_DENIED) {
    throw new LegFailure("server.ticket-refused", "the server answered PERMISSION_DENIED");
  }
  if (result !== LINK_ERROR.OK) {
    throw refused(result);
  }
}

function refused(error: number): LegFailure {
  const name = linkErrorName(error) ?? "unknown";
  return new LegFailure("server.link-refused", `the server answered ${error} (${name})`);
}
