/**
 * Faults while a link waits for others: for its grant, for the dialled hypervisor, for its reply, for
 * its verdict. Each phase, each fault of the client and of the hypervisor, each way in. A row is a
 * phase and a fault; its ways in fail at the same time. After each row nothing of it is left.
 *
 * Through CONNECT and WebSocket the hypervisor is asked before the client's ticket, through TLS
 * after it: so who leaves meanwhile had a session in the one case and none in the other.
 *
 * Not in the matrix: a hypervisor that never reads is one that stalls, because all that it is sent
 * before it is linked fits into the kernel's buffers.
 */
import { Socket } from "node:net";
import { finished } from "node:stream/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import type { WayIn } from "../../../relay/listen/client-connection.ts";
import {
  openWay,
  WAYS,
  connectWay,
  secureWay,
  WEB_ORIGIN,
} from "../../harness/relay/client-ways.ts";
import type { Issued } from "../../harness/relay/fake-control.ts";
import type { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import type { FakeServerOptions, FakeSpiceServer } from "../../harness/relay/fake-spice-server.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";
import {
  type Counted,
  expectAlive,
  FaultStage,
  NEVER_MS,
  sharedIdentity,
  SHORT_MS,
} from "./faults-fixture.ts";

/** Where the hypervisor stands still. */
const PHASES = ["dialled", "in its reply", "before its verdict"] as const;
type Phase = (typeof PHASES)[number];

interface Scene {
  readonly way: WayIn;
  readonly tcp: Socket;
  readonly client: FakeSpiceClient;
  /** The hypervisor's end. */
  readonly served: SocketPeer;
  /** What the client is told in the end; null: it was cut off. */
  readonly result: Promise<string | null>;
}

/** A hypervisor that stands still in a phase, and its end of the connection when it does. */
async function standStill(
  stage: FaultStage,
  phase: Phase,
): Promise<{ readonly server: FakeSpiceServer; readonly reached: Promise<SocketPeer> }> {
  const reached = Promise.withResolvers<SocketPeer>();
  const forever = new Promise<void>(() => {});
  let peer: SocketPeer | null = null;
  const stop = async (): Promise<void> => {
    if (peer !== null) {
      reached.resolve(peer);
    }
    await forever;
  };
  const byPhase: Readonly<Record<Phase, FakeServerOptions>> = {
    // It accepts, and never answers the TLS handshake.
    dialled: {
      onConnection: (one) => {
        void one.read(1).then(() => {
          reached.resolve(one);
        });
      },
    },
    "in its reply": {
      sendWith: async (to, bytes) => {
        to.send(bytes.subarray(0, 100));
        await stop();
      },
    },
    "before its verdict": { beforeResult: stop },
  };
  const onPeer = (one: SocketPeer): void => {
    peer = one;
  };
  const server = await stage.serve({ onPeer, ...byPhase[phase] });
  return { server, reached: reached.promise };
}

async function reach(stage: FaultStage, phase: Phase, way: WayIn): Promise<Scene> {
  const { server, reached } = await standStill(stage, phase);
  const { ca } = await sharedIdentity();
  const target = phase === "dialled" ? { port: null, tlsPort: server.port, ca } : {};
  const issued = await stage.relay.grant(server, { target });
  const { tcp, client } = await openWay(stage.relay, way, issued);
  stage.own(client.stream);
  stage.own(tcp);
  const result = client.link(issued.ticket).catch(() => null);
  return { way, tcp, client, result, served: await reached };
}

interface Fault {
  readonly fault: string;
  readonly commit: (scene: Scene) => void;
}

const CLIENT_FAULTS: readonly Fault[] = [
  { fault: "resets", commit: ({ tcp }) => void tcp.resetAndDestroy() },
  { fault: "closes", commit: ({ tcp }) => void tcp.destroy() },
  { fault: "half-closes", commit: ({ client }) => void client.stream.end() },
];

function raw({ served }: Scene): Socket {
  if (!(served.stream instanceof Socket)) {
    throw new Error("not a socket");
  }
  return served.stream;
}

const SERVER_FAULTS: readonly Fault[] = [
  { fault: "resets", commit: (scene) => void raw(scene).resetAndDestroy() },
  { fault: "closes", commit: (scene) => void raw(scene).destroy() },
  { fault: "half-closes", commit: (scene) => void raw(scene).end() },
  { fault: "stalls", commit: () => {} },
];

const CODES: Readonly<Record<Phase, string>> = {
  dialled: "server.tls-failed",
  "in its reply": "server.unreachable",
  "before its verdict": "server.unreachable",
};

function rows<Row extends Fault>(faults: readonly Row[]): (Row & { readonly phase: Phase })[] {
  return PHASES.flatMap((phase) => faults.map((fault) => ({ ...fault, phase })));
}

describe("while a hypervisor is awaited, a client", () => {
  let stage: FaultStage;

  beforeAll(async () => {
    stage = await FaultStage.start();
  });

  afterEach(async () => {
    await stage.clear();
  });

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  it.each(rows(CLIENT_FAULTS))("$fault, the hypervisor $phase", async ({ phase, commit }) => {
    const { events } = stage.relay;
    const endedBefore = events.of("session.ended").length;
    const before = await stage.before();
    const scenes = await Promise.all(WAYS.map(async (way) => reach(stage, phase, way)));
    scenes.forEach(commit);
    await stage.isAsBefore(
      before,
      WAYS.map((way): Counted => ({ code: "link.closed", way })),
    );
    const admitted = phase === "before its verdict" ? WAYS : ["tls"];
    expect(
      events
        .of("session.ended")
        .slice(endedBefore)
        .map(({ reason }) => reason),
    ).toEqual(admitted.map(() => "client-closed"));
  });
});

describe.each([
  ["waits", SERVER_FAULTS.filter(({ fault }) => fault !== "stalls"), NEVER_MS],
  ["has deadlines", SERVER_FAULTS.filter(({ fault }) => fault === "stalls"), SHORT_MS],
] as const)("a relay that %s, and a hypervisor", (_name, faults, deadlineMs) => {
  let stage: FaultStage;

  beforeAll(async () => {
    const limits = {
      serverConnectDeadlineMs: deadlineMs,
      serverLinkDeadlineMs: deadlineMs,
      // Clients that fetch their refusal and close need no linger.
      refusalLingerMs: NEVER_MS,
    };
    stage = await FaultStage.start({ limits });
  });

  afterEach(async () => {
    await stage.clear();
  });

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  it.each(rows(faults))("that $fault, $phase", async ({ fault, phase, commit }) => {
    const { events } = stage.relay;
    const endedBefore = events.of("session.ended").length;
    const before = await stage.before();
    const scenes = await Promise.all(WAYS.map(async (way) => reach(stage, phase, way)));
    scenes.forEach(commit);
    for (const { client, result } of scenes) {
      expect(await result).toBe("ERROR");
      await client.untilClosed();
    }
    const code = fault === "stalls" ? "server.deadline" : CODES[phase];
    await stage.isAsBefore(
      before,
      WAYS.map((way): Counted => ({ code, way })),
    );
    const ended = events.of("session.ended").slice(endedBefore);
    expect(ended.map(({ reason }) => reason)).toEqual(WAYS.map(() => "failed"));
    expect(ended.every(({ detail }) => detail.startsWith(code))).toBe(true);
  });
});

/** Look-ups that a test answers when it likes. */
class Lookups {
  readonly #answers = new Map<string, (answer: Result<string, TicketRefusalReason>) => void>();
  readonly #asked = new Map<string, () => void>();

  readonly lookup = async (hash: string): Promise<Result<string, TicketRefusalReason>> => {
    const answer = Promise.withResolvers<Result<string, TicketRefusalReason>>();
    this.#answers.set(hash, answer.resolve);
    this.#asked.get(hash)?.();
    return answer.promise;
  };

  async asked(hash: string): Promise<void> {
    if (!this.#answers.has(hash)) {
      const asked = Promise.withResolvers<void>();
      this.#asked.set(hash, asked.resolve);
      await asked.promise;
    }
  }

  answer(hash: string, answer: Result<string, TicketRefusalReason>): void {
    this.#answers.get(hash)?.(answer);
  }
}

/** A client whose grant is being looked up; a web console's is before its upgrade. */
async function reachLookup(
  stage: FaultStage,
  lookups: Lookups,
  { way, issued }: { readonly way: WayIn; readonly issued: Issued },
): Promise<{ readonly tcp: Socket; readonly top: SocketPeer; readonly said: Promise<string> }> {
  if (way !== "websocket") {
    const { tcp, client } = await openWay(stage.relay, way, issued);
    stage.own(client.stream);
    stage.own(tcp);
    const said = client.link(issued.ticket).then(String, () => "nothing");
    await lookups.asked(issued.hash);
    return { tcp, top: client, said };
  }
  const tcp = stage.own(await connectWay(stage.relay, way));
  const top = new SocketPeer(stage.own(await secureWay(stage.relay, tcp)));
  const head = [
    `GET /console?token=${issued.ticket} HTTP/1.1`,
    "Host: relay.example.test",
    `Origin: ${WEB_ORIGIN}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: binary",
  ];
  top.send(Buffer.from(`${head.join("\r\n")}\r\n\r\n`));
  const said = top.readUpTo(12).then(String, () => "nothing");
  await lookups.asked(issued.hash);
  return { tcp, top, said };
}

describe("while its grant is looked up, a client", () => {
  const lookups = new Lookups();
  let stage: FaultStage;

  beforeAll(async () => {
    stage = await FaultStage.start({ lookup: lookups.lookup });
  });

  afterEach(async () => {
    await stage.clear();
  });

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  const faults = [
    { fault: "resets", commit: (tcp: Socket) => void tcp.resetAndDestroy() },
    { fault: "closes", commit: (tcp: Socket) => void tcp.destroy() },
    { fault: "half-closes", commit: (_: Socket, top: SocketPeer) => void top.stream.end() },
  ];
  const answers = [
    { answer: "the grant comes afterwards", grants: true },
    { answer: "afterwards there is none", grants: false },
  ];

  it.each(faults.flatMap((fault) => answers.map((answer) => ({ ...fault, ...answer }))))(
    "$fault; $answer",
    async ({ commit, grants }) => {
      const server = await stage.serve();
      const before = await stage.before();
      const cells = await Promise.all(
        WAYS.map(async (way) => {
          const issued = await stage.relay.control.issue({ target: { port: server.port } });
          const { tcp, top } = await reachLookup(stage, lookups, { way, issued });
          commit(tcp, top);
          await finished(tcp, { readable: false }).catch(() => {});
          return { way, issued };
        }),
      );
      // What the relay carries now has come to it after the faults.
      await expectAlive(stage.living);
      const counted = cells.map(({ way, issued }): Counted => {
        lookups.answer(issued.hash, grants ? ok(issued.grant) : fail("unknown"));
        const isWeb = way === "websocket";
        const code = grants || isWeb ? "link.closed" : "ticket.unknown";
        return { code, way: isWeb ? "none" : way };
      });
      await stage.isAsBefore(before, counted);
      expect(server.ticketCount).toBe(0);
    },
  );
});

describe("a look-up that never answers", () => {
  it("is given up, and so is the client's link, with a word that says so", async () => {
    const lookups = new Lookups();
    await using stage = await FaultStage.start({
      lookup: lookups.lookup,
      limits: { lookupDeadlineMs: SHORT_MS },
    });
    const before = await stage.before();
    const counted = await Promise.all(
      WAYS.map(async (way): Promise<Counted> => {
        const issued = await stage.relay.control.issue();
        const { top, said } = await reachLookup(stage, lookups, { way, issued });
        expect(await said).toBe(way === "websocket" ? "HTTP/1.1 503" : "ERROR");
        await top.untilClosed();
        return { code: "ticket.unverifiable", way: way === "websocket" ? "none" : way };
      }),
    );
    await stage.isAsBefore(before, counted);
  });
});
