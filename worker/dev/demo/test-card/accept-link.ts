/**
 * The server's part of the SPICE link: greets a client, checks the password, and says which channel
 * the client wants. Every refusal is told to the client in the protocol's own words. The password
 * travels encrypted by RSA-OAEP for our key (spice-protocol, "ticket").
 */
import { constants, generateKeyPair, type KeyObject, privateDecrypt } from "node:crypto";
import type { Socket } from "node:net";
import { promisify } from "node:util";
import { equalBytes, utf8 } from "#shared/base/bytes.ts";
import {
  type CapabilitySet,
  COMMON_CAPABILITY,
  hasCapability,
  withCapability,
} from "#shared/spice/capabilities.ts";
import { type ChannelName, channelName } from "#shared/spice/channel-names.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import {
  AUTH_MECHANISM,
  AUTH_MECHANISM_BYTES,
  ENCRYPTED_TICKET_BYTES,
  encodeLinkError,
  encodeLinkReply,
  encodeLinkResult,
  LINK_ERROR,
  LINK_HEADER_BYTES,
  type LinkMessage,
  parseAuthMechanism,
  parseLinkHeader,
  parseLinkMessage,
} from "#shared/spice/link.ts";
import type { ExactReader } from "./exact-reader.ts";

/** A client that knows the password, and the channel that it wants. */
export interface AcceptedLink {
  readonly channel: ServedChannel;
  /** 0 on a new main channel, else the session that the channel belongs to. */
  readonly connectionId: number;
  readonly isMiniHeader: boolean;
  /** The client's capabilities for this kind of channel. */
  readonly capabilities: CapabilitySet;
}

/** The channels that the test card has. */
export const SERVED_CHANNELS = ["main", "display", "inputs", "cursor"] as const;
export type ServedChannel = (typeof SERVED_CHANNELS)[number];

/** The key of one server: SPICE fixes its size (1024 bits) and padding. */
export interface LinkKey {
  readonly privateKey: KeyObject;
  /** DER, SubjectPublicKeyInfo: 162 bytes. */
  readonly publicKeyDer: Uint8Array;
}

/** Makes the key: about 10 ms. */
export async function makeLinkKey(): Promise<LinkKey> {
  const pair = await promisify(generateKeyPair)("rsa", { modulusLength: 1024 });
  const publicKeyDer = pair.publicKey.export({ type: "spki", format: "der" });
  return { privateKey: pair.privateKey, publicKeyDer };
}

/**
 * Runs the link up to the password's check, without the final result.
 * @returns null when the client was refused (and told so) or has gone
 */
export async function acceptLink(
  socket: Socket,
  reader: ExactReader,
  key: LinkKey,
  password: string,
): Promise<AcceptedLink | null> {
  const message = await readLinkMessage(socket, reader);
  if (message === null) {
    return null;
  }
  const channel = servedChannel(message);
  if (channel === null) {
    socket.write(encodeLinkError(LINK_ERROR.CHANNEL_NOT_AVAILABLE));
    return null;
  }
  socket.write(
    encodeLinkReply({
      error: LINK_ERROR.OK,
      publicKey: key.publicKeyDer,
      commonCapabilities: COMMON_CAPABILITIES,
      channelCapabilities: [],
    }),
  );
  if (!(await readPassword(reader, message, { key, password }))) {
    socket.write(encodeLinkResult(LINK_ERROR.PERMISSION_DENIED));
    return null;
  }
  return {
    channel,
    connectionId: message.connectionId,
    isMiniHeader: hasCapability(message.commonCapabilities, COMMON_CAPABILITY.MINI_HEADER),
    capabilities: message.channelCapabilities,
  };
}

async function readLinkMessage(socket: Socket, reader: ExactReader): Promise<LinkMessage | null> {
  try {
    const head = await reader.read(LINK_HEADER_BYTES);
    const body = head && (await reader.read(parseLinkHeader(head).sizeBytes));
    return body && parseLinkMessage(body);
  } catch (error) {
    if (!(error instanceof SpiceError)) {
      throw error;
    }
    socket.write(encodeLinkError(linkErrorOf(error)));
    return null;
  }
}

function linkErrorOf(error: SpiceError): number {
  if (error.code === "link.magic-invalid") {
    return LINK_ERROR.INVALID_MAGIC;
  }
  const isVersion = error.code === "link.version-mismatch";
  return isVersion ? LINK_ERROR.VERSION_MISMATCH : LINK_ERROR.INVALID_DATA;
}

function servedChannel(message: LinkMessage): ServedChannel | null {
  const name: ChannelName | null =
    message.channelId === 0 ? channelName(message.channelType) : null;
  return SERVED_CHANNELS.find((served) => served === name) ?? null;
}

async function readPassword(
  reader: ExactReader,
  message: LinkMessage,
  expected: { readonly key: LinkKey; readonly password: string },
): Promise<boolean> {
  const selection = COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION;
  if (hasCapability(message.commonCapabilities, selection)) {
    const mechanism = await reader.read(AUTH_MECHANISM_BYTES);
    if (mechanism === null || parseAuthMechanism(mechanism) !== AUTH_MECHANISM.spice) {
      return false;
    }
  }
  const ticket = await reader.read(ENCRYPTED_TICKET_BYTES);
  return ticket !== null && isPassword(ticket, expected);
}

function isPassword(
  ticket: Uint8Array,
  expected: { readonly key: LinkKey; readonly password: string },
): boolean {
  try {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const key = { key: expected.key.privateKey, padding, oaepHash: "sha1" };
    // The password ends with a NUL on the wire.
    return equalBytes(privateDecrypt(key, ticket), utf8(`${expected.password}\0`));
  } catch {
    // Bytes that are no ticket for our key are a wrong password, not a failure of ours.
    return false;
  }
}

const COMMON_CAPABILITIES: CapabilitySet = [
  COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION,
  COMMON_CAPABILITY.AUTH_SPICE,
  COMMON_CAPABILITY.MINI_HEADER,
].reduce<CapabilitySet>(withCapability, []);
