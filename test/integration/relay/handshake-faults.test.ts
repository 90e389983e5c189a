/**
 * Every fault at every phase of a link, on both legs, with the session known before and not:
 * afterwards no socket, no timer and no admitted channel is left, and the account says whose fault.
 */
import { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok } from "#shared/base/result.ts";
import { encodeAuthMechanism, type LinkErrorName, type LinkReply } from "#shared/spice/link.ts";
import { eventually } from "../../harness/deadline.ts";
import { encrypt, type FakeSpiceClient, linkBytes } from "../../harness/relay/fake-spice-client.ts";
import {
  type FakeServerOptions,
  type FakeSpiceServer,
  startFakeServer,
  targetOf,
} from "../../harness/relay/fake-spice-server.ts";
import { type LinkBench, startLinkBench } from "../../harness/relay/link-bench.ts";
import type { SocketPeer } from "../../harness/relay/socket-peer.ts";
import type { DataPlaneLimits } from "../../../relay/limits.ts";

/** Far away, so that only the deadline under test can end a link. */
const NEVER_MS = 600_000;
/** Long enough to reach the phase under test on a busy machine. */
const SHORT_MS = 250;

let timersBefore = 0;

function timerCount(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

beforeEach(() => {
  timersBefore = timerCount();
});

afterEach(async () => {
  // The test runner has short timers of its own now and then; one of a link would stay.
  await eventually("no timer is left", () => (timerCount() <= timersBefore ? true : null), {
    timeoutMs: 3_000,
  });
});

interface Scene extends AsyncDisposable {
  readonly bench: LinkBench;
  readonly server: FakeSpiceServer;
  readonly client: FakeSpiceClient;
  /** Null when it was not read before that phase. */
  readonly reply: Promise<LinkReply | null>;
  /** Resolves when the phase under test is reached. */
  readonly reached: Promise<void>;
  /** The server's end of the connection, once it was dialled. */
  readonly served: Promise<SocketPeer>;
}

/** Where the link stands still for the fault. */
const PHASES = [
  "before the link message",
  "within the link message",
  "while the server is asked ahead",
  "before the ticket",
  "within the ticket",
  "while the admission is judged",
  "while the server judges its ticket",
] as const;
type Phase = (typeof PHASES)[number];

async function stage(
  phase: Phase,
  known: boolean,
  limits: Partial<DataPlaneLimits> = {},
): Promise<Scene> {
  const reached = Promise.withResolvers<void>();
  const served = Promise.withResolvers<SocketPeer>();
  const stop = new AbortController();
  const standStill = async (where: Phase): Promise<void> => {
    if (where === phase) {
      reached.resolve();
      await new Promise<void>((resolve) => {
        stop.signal.addEventListener("abort", () => {
          resolve();
        });
      });
    }
  };
  const server = await startFakeServer({
    onPeer: served.resolve,
    beforeReply: async () => standStill("while the server is asked ahead"),
    beforeResult: async () => standStill("while the server judges its ticket"),
  });
  const session = { sessionId: "s", target: targetOf(server) };
  const bench = await startLinkBench({
    limits: {
      clientPhaseDeadlineMs: NEVER_MS,
      serverConnectDeadlineMs: NEVER_MS,
      serverLinkDeadlineMs: NEVER_MS,
      ...limits,
    },
    foresee: async () => ok(known ? session : null),
    admit: async () => {
      await standStill("while the admission is judged");
      return ok(session);
    },
  });
  bench.clue = { kind: "label", label: "0".repeat(32) };
  // As a look-up does: it settles when its own deadline passes, whatever became of the client.
  bench.onConnection = ({ stream }) => {
    for (const event of ["end", "close"]) {
      stream.once(event, () => {
        stop.abort();
      });
    }
  };
  const client = await bench.connect();
  const reply = drive(client, phase);
  if (!isHeldByOthers(phase)) {
    await reply;
    reached.resolve();
  }
  return {
    bench,
    server,
    client,
    reply,
    reached: reached.promise,
    served: served.promise,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await bench[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function isHeldByOthers(phase: Phase): boolean {
  return phase.startsWith("while");
}

/** Says all that a client says before that phase. */
async function drive(client: FakeSpiceClient, phase: Phase): Promise<LinkReply | null> {
  const link = linkBytes();
  if (phase === "before the link message" || phase === "within the link message") {
    client.send(phase === "before the link message" ? new Uint8Array() : link.subarray(0, 20));
    return null;
  }
  client.send(link);
  if (phase === "while the server is asked ahead") {
    return null;
  }
  const reply = await client.readReply();
  if (phase !== "before the ticket") {
    const answer = Buffer.concat([encodeAuthMechanism(1), encrypt(reply, "ticket")]);
    client.send(phase === "within the ticket" ? answer.subarray(0, 100) : answer);
  }
  return reply;
}

/** All that follows the link message. */
async function finish(client: FakeSpiceClient): Promise<LinkErrorName | null> {
  client.sendTicket(await client.readReply(), "ticket");
  return client.readResult();
}

const CLIENT_FAULTS: readonly [string, (scene: Scene) => void][] = [
  ["resets", ({ client }) => resetOf(client)],
  ["closes", ({ client }) => client.destroy()],
  ["half-closes", ({ client }) => void client.stream.end()],
  ["is caught by the relay's stop", ({ bench }) => bench.stopping.abort()],
];

function resetOf(peer: SocketPeer): void {
  if (peer.stream instanceof Socket) {
    peer.stream.resetAndDestroy();
  }
}

const KNOWN = [true, false] as const;
const CLIENT_CASES = KNOWN.flatMap((known) =>
  PHASES.flatMap((phase) => CLIENT_FAULTS.map(([name, fault]) => ({ known, phase, name, fault }))),
).filter(({ known, phase, name }) => {
  const isAhead = phase === "while the server is asked ahead";
  // An admitted channel is ended by its session, not by the stop of links.
  const isAdmitted = phase === "while the server judges its ticket";
  return (known || !isAhead) && !(isAdmitted && name.includes("stop"));
});

describe("a client that fails", () => {
  it.each(CLIENT_CASES)("$name $phase (known: $known)", async ({ known, phase, fault }) => {
    await using scene = await stage(phase, known);
    await scene.reached;
    fault(scene);
    // The client's own half stays open after its end, as a half-closed peer's does.
    void scene.client.untilClosed().catch(() => {});
    await scene.bench.becomesEmpty(scene.server);
    expect(scene.bench.linkedCount).toBe(0);
    expect(scene.bench.failures).toMatchObject([{ code: "link.closed" }]);
    const expected = phase === "while the server judges its ticket" ? 1 : 0;
    expect(scene.server.ticketCount).toBe(expected);
  });

  it.each(
    PHASES.filter((phase) => !isHeldByOthers(phase)).flatMap((phase) =>
      KNOWN.map((known) => ({ phase, known })),
    ),
  )("stalls $phase (known: $known)", async ({ phase, known }) => {
    await using scene = await stage(phase, known, { clientPhaseDeadlineMs: SHORT_MS });
    await scene.reached;
    void scene.client.untilClosed().catch(() => {});
    await scene.bench.becomesEmpty(scene.server);
    expect(scene.bench.failures).toMatchObject([{ code: "link.deadline" }]);
    expect(scene.server.ticketCount).toBe(0);
  });
});

describe("a session that ends while its server judges", () => {
  it.each(KNOWN)("ends the link at once, and its client is told (known: %s)", async (known) => {
    await using scene = await stage("while the server judges its ticket", known);
    await scene.reached;
    scene.bench.channels[0]?.terminate();
    expect(await scene.client.readResult()).toBe("ERROR");
    void scene.client.untilClosed().catch(() => {});
    await scene.bench.becomesEmpty(scene.server);
    expect(scene.bench.channels[0]?.ends).toMatchObject([{ code: "terminated" }]);
  });
});

const SERVER_FAULTS: readonly [string, string, (peer: SocketPeer) => void][] = [
  ["resets", "server.unreachable", resetOf],
  ["closes", "server.unreachable", (peer) => peer.destroy()],
  ["half-closes", "server.unreachable", (peer) => void peer.stream.end()],
  [
    "is cut off within its answer",
    "server.unreachable",
    (peer) => void peer.stream.end(Buffer.from("RE")),
  ],
  [
    "talks without an end",
    "",
    (peer) => {
      peer.stream.on("error", () => {});
      peer.send(Buffer.alloc(1_000_000, 0x41));
    },
  ],
  ["stalls", "server.deadline", () => {}],
];

describe("a server that fails", () => {
  it.each(
    KNOWN.flatMap((known) =>
      (["while the server is asked ahead", "while the server judges its ticket"] as const).flatMap(
        (phase) =>
          SERVER_FAULTS.map(([name, code, fault]) => ({ known, phase, name, code, fault })),
      ),
    ),
  )("$name $phase (known: $known)", async ({ known, phase, code, fault }) => {
    // Asked ahead or not: the phase is the server's first answer.
    await using scene = await stage(phase, known, {
      serverLinkDeadlineMs: code === "server.deadline" ? SHORT_MS : NEVER_MS,
    });
    const isFirst = phase === "while the server is asked ahead";
    const first = isFirst ? finish(scene.client) : null;
    await scene.reached;
    fault(await scene.served);
    expect(await (first ?? scene.client.readResult())).toBe("ERROR");
    void scene.client.untilClosed().catch(() => {});
    await scene.bench.becomesEmpty(scene.server);
    const [end] = scene.bench.channels[0]?.ends ?? [];
    expect(end).toMatchObject({ by: "server" });
    if (code !== "") {
      expect(end?.code).toBe(code);
    }
    expect(scene.server.connectionCount).toBe(1);
  });

  it.each(["closes", "resets"])("%s between its reply and the ticket", async (name) => {
    await using scene = await stage("before the ticket", true);
    const [reply, served] = await Promise.all([scene.reply, scene.served]);
    if (name === "resets") {
      resetOf(served);
    } else {
      served.destroy();
    }
    await served.closed;
    if (reply !== null) {
      scene.client.sendTicket(reply, "ticket");
    }
    expect(await scene.client.readResult()).toBe("ERROR");
    void scene.client.untilClosed().catch(() => {});
    await scene.bench.becomesEmpty(scene.server);
    expect(scene.bench.channels[0]?.ends).toMatchObject([{ code: "server.unreachable" }]);
    expect(scene.server.connectionCount).toBe(1);
  });
});

describe("peers that are slow", () => {
  it("are understood one byte at a time, on both legs", async () => {
    const dribble = async (peer: SocketPeer, bytes: Uint8Array): Promise<void> => {
      for (const byte of bytes) {
        await new Promise<void>((resolve) => {
          peer.stream.write(Uint8Array.of(byte), () => {
            resolve();
          });
        });
      }
    };
    const options: FakeServerOptions = { sendWith: dribble };
    await using server = await startFakeServer(options);
    const session = { sessionId: "s", target: targetOf(server) };
    await using bench = await startLinkBench({
      foresee: async () => ok(session),
      admit: async () => ok(session),
    });
    bench.clue = { kind: "label", label: "0".repeat(32) };
    const client = await bench.connect();
    await dribble(client, linkBytes());
    const reply = await client.readReply();
    await dribble(client, Buffer.concat([encodeAuthMechanism(1), encrypt(reply, "ticket")]));
    expect(await client.readResult()).toBe("OK");
    client.destroy();
    await bench.becomesEmpty(server);
  });

  it("that never read their refusal are closed after a while", async () => {
    await using bench = await startLinkBench({ limits: { refusalLingerMs: SHORT_MS } });
    const client = await bench.connect();
    client.sendLink();
    client.sendTicket(await client.readReply(), "ticket");
    await bench.becomesEmpty();
    client.destroy();
  });
});
