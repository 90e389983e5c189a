/** What a living channel still holds of its handshake: nothing. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { ok } from "#shared/base/result.ts";
import { eventually } from "../../harness/deadline.ts";
import { openWay, startRelayOfAllWays } from "../../harness/relay/client-ways.ts";
import { startFakeProxy } from "../../harness/relay/fake-http-proxy.ts";
import {
  MAIN_INIT_MESSAGE_BYTES,
  startFakeServer,
  targetOf,
} from "../../harness/relay/fake-spice-server.ts";
import { startLinkBench } from "../../harness/relay/link-bench.ts";
import { makeIdentity, type TestIdentity } from "../../harness/relay/test-identity.ts";
import { dialTarget } from "../../../relay/handshake/dial.ts";
import { Registry } from "../../../relay/sessions/registry.ts";

let identity: TestIdentity;
let collect: () => void;

beforeAll(async () => {
  identity = await makeIdentity();
  setFlagsFromString("--expose-gc");
  collect = runInNewContext("gc") as () => void;
});

async function expectForgotten(what: string, held: WeakRef<object>): Promise<void> {
  await eventually(`${what} is collected`, () => {
    collect();
    return held.deref() === undefined ? true : null;
  });
}

describe("a linked channel", () => {
  it("holds neither its clue nor what was foreseen", async () => {
    await using server = await startFakeServer();
    const held: { clue?: WeakRef<object>; foreseen?: WeakRef<object> } = {};
    await using bench = await startLinkBench({
      foresee: async (clue) => {
        held.clue = new WeakRef(clue);
        const target = targetOf(server, { password: "foreseen" });
        held.foreseen = new WeakRef(target);
        return Promise.resolve(ok({ sessionId: "s", target }));
      },
      admit: async () => ok({ sessionId: "s", target: targetOf(server) }),
    });
    bench.clue = { kind: "token", token: "a ticket" };
    const client = await bench.connect();
    expect(await client.link("ticket")).toBe("OK");
    bench.clue = null;
    bench.clues.length = 0;
    await client.read(MAIN_INIT_MESSAGE_BYTES);
    expect(bench.running).toBe(1);
    if (held.clue === undefined || held.foreseen === undefined) {
      throw new Error("nothing was foreseen");
    }
    await expectForgotten("the clue", held.clue);
    await expectForgotten("the foreseen target", held.foreseen);
    expect(bench.running).toBe(1);
    client.destroy();
    await bench.becomesEmpty(server);
  });
});

describe("a web console's channel", () => {
  it("does not hold the token that it came with, nor the ticket that it presented", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelayOfAllWays();
    const spy = vi.spyOn(Registry.prototype, "foresee");
    const admitSpy = vi.spyOn(Registry.prototype, "admit");
    const issued = await relay.grant(server);
    const { client } = await openWay(relay, "websocket", issued);
    expect(await client.link(issued.ticket)).toBe("OK");
    const clues = spy.mock.calls.map(([clue]) => new WeakRef(clue));
    const presented = admitSpy.mock.calls.map(([each]) => new WeakRef(each));
    spy.mockRestore();
    admitSpy.mockRestore();
    expect([clues.length, presented.length]).toEqual([2, 1]);
    for (const held of [...clues, ...presented]) {
      await expectForgotten("what held the ticket", held);
    }
    expect(relay.plane.counts()).toMatchObject({ sessions: 1, channels: 1 });
    client.destroy();
  });
});

describe("a dialled stream", () => {
  it.each([
    ["plain", false, false],
    ["TLS", true, false],
    ["plain behind a proxy", false, true],
    ["TLS behind a proxy", true, true],
  ])("does not hold its target: %s", async (_name, isTls, isProxied) => {
    await using server = await startFakeServer({
      ...(isTls ? { tls: identity } : {}),
      onConnection: () => {},
    });
    await using proxy = await startFakeProxy({ port: server.port });
    const dial = async (): Promise<[WeakRef<object>, Awaited<ReturnType<typeof dialTarget>>]> => {
      const target = targetOf(server, {
        port: isTls ? null : server.port,
        tlsPort: isTls ? server.port : null,
        ca: identity.ca,
        proxy: isProxied ? `http://user:word@127.0.0.1:${proxy.port}` : null,
      });
      const { signal } = new AbortController();
      const options = { deadlineMs: 5_000, keepAliveIdleMs: 30_000, signal };
      return [new WeakRef(target), await dialTarget(target, options)];
    };
    const [target, result] = await dial();
    await expectForgotten("the target", target);
    expect(result).toMatchObject({ ok: true });
    if (result.ok) {
      result.value.destroy();
    }
  });
});
