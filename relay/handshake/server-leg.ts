/**
 * The server leg: here we are the SPICE client. Links one channel with the hypervisor in the
 * client's name (its connection id, its capabilities) but with our password. It has two halves,
 * because a session that is known early is dialled before its client's ticket is judged: until
 * `enter` the server has seen a link message and nothing that could throw anybody out.
 */
import type { Duplex } from "node:stream";
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  clientCapabilitiesForServer,
  COMMON_CAPABILITY,
  hasCapability,
  type LinkCapabilities,
} from "#shared/spice/capabilities.ts";
import { CHANNEL_TYPE } from "#shared/spice/channel-names.ts";
import {
  AUTH_MECHANISM,
  encodeAuthMechanism,
  encodeLinkMessage,
  LINK_ERROR,
  LINK_HEADER_BYTES,
  LINK_MAGIC,
  LINK_RESULT_BYTES,
  linkErrorName,
  type LinkReply,
  parseLinkHeader,
  parseLinkReply,
  parseLinkResult,
} from "#shared/spice/link.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { DialRoute } from "../sessions/ports.ts";
import { ByteSource } from "./byte-source.ts";
import type { ClientLink } from "./client-leg.ts";
import { dialTarget } from "./dial.ts";
import { sayNoSpice } from "./dial-words.ts";
import { judgeLeg, LegFailure } from "./link-failure.ts";
import { encryptPassword, readServerKey, type ServerKey } from "./server-key.ts";

type ServerLegLimits = Pick<
  DataPlaneLimits,
  "serverConnectDeadlineMs" | "serverLinkDeadlineMs" | "keepAliveIdleMs"
>;

/** One attempt to link one channel; whoever makes it calls `abandon` in the end, or `take`. */
export class ServerLeg {
  readonly #limits: ServerLegLimits;
  readonly #givenUp = new AbortController();
  #stream: Duplex | null = null;
  #source: ByteSource | null = null;
  #greeting: Greeting | null = null;

  constructor(limits: ServerLegLimits) {
    this.#limits = limits;
  }

  /**
   * Dials, sends the link message and reads the reply; gives what the server can do. After
   * `abandon` it fails at once.
   */
  async reach(route: DialRoute, link: ClientLink): Promise<Result<LinkCapabilities, Failure>> {
    const dialled = await dialTarget(route, {
      deadlineMs: this.#limits.serverConnectDeadlineMs,
      keepAliveIdleMs: this.#limits.keepAliveIdleMs,
      signal: this.#givenUp.signal,
    });
    if (!dialled.ok) {
      return dialled;
    }
    const stream = dialled.value;
    if (this.#givenUp.signal.aborted) {
      stream.destroy();
      return fail(GIVEN_UP);
    }
    this.#stream = stream;
    const source = new ByteSource(stream);
    this.#source = source;
    const greeted = await judgeLeg("server", async () => {
      source.beginPhase(this.#limits.serverLinkDeadlineMs);
      stream.write(encodeLinkMessage(linkMessageFor(link)));
      const greeting = await readGreeting(source);
      source.endPhase();
      return greeting;
    });
    if (!greeted.ok) {
      this.abandon();
      return greeted;
    }
    this.#greeting = greeted.value;
    return ok(greeted.value.capabilities);
  }

  /**
   * Presents the hypervisor's password (empty when it wants none) to the server that was reached;
   * afterwards the stream's next byte is the channel's first message.
   */
  async enter(password: string): Promise<Result<null, Failure>> {
    const [stream, source, greeting] = [this.#stream, this.#source, this.#greeting];
    if (stream === null || source === null || greeting === null) {
      return fail(GIVEN_UP);
    }
    const entered = await judgeLeg("server", async () => {
      source.beginPhase(this.#limits.serverLinkDeadlineMs);
      const ticket = encryptPassword(greeting.key, password);
      if (hasCapability(greeting.capabilities.common, AUTH_SELECTION)) {
        stream.write(encodeAuthMechanism(AUTH_MECHANISM.spice));
      }
      stream.write(ticket);
      judgeResult(parseLinkResult(await source.read(LINK_RESULT_BYTES)));
      return null;
    });
    if (!entered.ok) {
      this.abandon();
    }
    return entered;
  }

  /** The linked stream, which is the caller's from now on. */
  take(): Duplex {
    const stream = this.#stream;
    assert(stream !== null, "a stream is taken once, of a leg that has entered");
    this.#source?.release();
    this.#forget();
    return stream;
  }

  /** Gives up at any time: destroys the stream, fails what is under way. Idempotent. */
  abandon(): void {
    this.#givenUp.abort();
    this.#stream?.destroy();
    this.#source?.giveUp();
    this.#source?.release();
    this.#forget();
  }

  #forget(): void {
    this.#stream = null;
    this.#source = null;
    this.#greeting = null;
  }
}

/** What a server's link reply told. */
interface Greeting {
  readonly capabilities: LinkCapabilities;
  readonly key: ServerKey;
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

async function readGreeting(source: ByteSource): Promise<Greeting> {
  const headerBytes = await source.read(LINK_HEADER_BYTES);
  if (Buffer.from(headerBytes).readUInt32LE() !== LINK_MAGIC) {
    throw new LegFailure("server.malformed", sayNoSpice(headerBytes));
  }
  const header = parseLinkHeader(headerBytes, "server");
  const reply = parseLinkReply(await source.read(header.sizeBytes));
  judgeReply(reply);
  return {
    capabilities: { common: reply.commonCapabilities, channel: reply.channelCapabilities },
    key: readServerKey(reply.publicKey),
  };
}

function judgeReply(reply: LinkReply): void {
  if (reply.error === LINK_ERROR.NEED_SECURED) {
    throw new LegFailure("server.needs-secured", "the server answered NEED_SECURED");
  }
  if (reply.error !== LINK_ERROR.OK) {
    throw refused(reply.error);
  }
  if (reply.publicKey.every((byte) => byte === 0)) {
    throw new LegFailure("server.sasl-required", "the server sent no key");
  }
  // A server that was not offered SASL sends a key all the same, and refuses every ticket with it.
  const { AUTH_SASL, AUTH_SPICE } = COMMON_CAPABILITY;
  const states = (bit: number): boolean => hasCapability(reply.commonCapabilities, bit);
  if (states(AUTH_SASL) && !states(AUTH_SPICE)) {
    throw new LegFailure("server.sasl-required", "the server offers SASL alone");
  }
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

/** A server without it wants the ticket at once, without a mechanism (spice-gtk, spice-channel.c). */
const AUTH_SELECTION = COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION;
const GIVEN_UP: Failure = {
  code: "server.unreachable",
  detail: "the client or its session ended first",
};
