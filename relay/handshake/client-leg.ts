/**
 * The client leg: here we are the SPICE server. Reads the link message, offers a key and the
 * capabilities it is told to, and reads the ticket. It tells the client no result: that waits until
 * the hypervisor has let us in.
 */
import type { Duplex } from "node:stream";
import type { Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  COMMON_CAPABILITY,
  hasCapability,
  type LinkCapabilities,
} from "#shared/spice/capabilities.ts";
import { channelName, type ChannelName } from "#shared/spice/channel-names.ts";
import {
  AUTH_MECHANISM,
  AUTH_MECHANISM_BYTES,
  encodeLinkReply,
  ENCRYPTED_TICKET_BYTES,
  LINK_ERROR,
  LINK_HEADER_BYTES,
  parseAuthMechanism,
  parseLinkHeader,
  parseLinkMessage,
  PASSWORD_BYTES_MAX,
} from "#shared/spice/link.ts";
import type { ByteSource } from "./byte-source.ts";
import type { LinkKey } from "./key-pool.ts";
import { judgeLeg, LegFailure } from "./link-failure.ts";

/** What a client asked for in its link message. */
export interface ClientLink {
  readonly connectionId: number;
  readonly channel: ChannelName;
  readonly channelId: number;
  readonly capabilities: LinkCapabilities;
}

/** The client's link message, judged from its header on. */
export async function readClientLink(
  source: ByteSource,
  deadlineMs: number,
): Promise<Result<ClientLink, Failure>> {
  return judgeLeg("client", async () => {
    source.beginPhase(deadlineMs);
    const header = parseLinkHeader(await source.read(LINK_HEADER_BYTES));
    const message = parseLinkMessage(await source.read(header.sizeBytes));
    source.endPhase();
    const channel = channelName(message.channelType);
    if (channel === null) {
      throw new LegFailure("link.channel-unknown", `channel type ${message.channelType}`);
    }
    return {
      connectionId: message.connectionId,
      channel,
      channelId: message.channelId,
      capabilities: {
        common: message.commonCapabilities,
        channel: message.channelCapabilities,
      },
    };
  });
}

/**
 * Offers the key and reads the ticket: the client's SPICE password. One that was not encrypted with
 * the key, or is too long, comes out as the empty text, which no ticket is. A client without
 * PROTOCOL_AUTH_SELECTION sends the ticket at once (spice-server, reds.cpp).
 */
export async function exchangeTicket(
  source: ByteSource,
  stream: Duplex,
  exchange: {
    readonly link: ClientLink;
    readonly key: LinkKey;
    readonly offer: LinkCapabilities;
    readonly deadlineMs: number;
  },
): Promise<Result<string, Failure>> {
  return judgeLeg("client", async () => {
    const { link, offer } = exchange;
    source.beginPhase(exchange.deadlineMs);
    stream.write(
      encodeLinkReply({
        error: LINK_ERROR.OK,
        publicKey: exchange.key.publicKey,
        commonCapabilities: offer.common,
        channelCapabilities: offer.channel,
      }),
    );
    if (hasCapability(link.capabilities.common, COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION)) {
      const mechanism = parseAuthMechanism(await source.read(AUTH_MECHANISM_BYTES));
      if (mechanism !== AUTH_MECHANISM.spice) {
        throw new LegFailure("link.mechanism-unsupported", `mechanism ${mechanism}`);
      }
    }
    const ciphertext = await source.read(ENCRYPTED_TICKET_BYTES);
    source.endPhase();
    return passwordOf(exchange.key.decrypt(ciphertext));
  });
}

/** The text before the first NUL, as spice-server reads it (reds.cpp, reds_handle_ticket). */
function passwordOf(plain: Buffer | null): string {
  if (plain === null) {
    return "";
  }
  const nul = plain.indexOf(0);
  const text = nul < 0 ? plain : plain.subarray(0, nul);
  return text.length > PASSWORD_BYTES_MAX ? "" : text.toString("utf8");
}
