/** Relays that come all at once, on a host whose hubs share the isolate of the route. */
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { linkRush } from "../../../worker/hub/link-rush.ts";
import { expectProblem } from "../api/api-client.ts";
import {
  enrolTestRelay,
  HELLO,
  makeRelayKey,
  RelaySocket,
  requestLink,
  signRelayToken,
  type TestRelay,
} from "../relays/test-relay.ts";

/** More than are let in at once. */
const MANY = 14;

const enrolled: TestRelay[] = [];

const enrol = async (): Promise<TestRelay> => {
  const relay = await enrolTestRelay();
  enrolled.push(relay);
  return relay;
};

const enrolMany = async (): Promise<TestRelay[]> =>
  await Promise.all(Array.from({ length: MANY }, enrol));

beforeAll(() => linkRush.countHubs());

// A hub may still hear of a close when its test is over: no test starts with places taken.
afterEach(() => {
  for (const { relayId } of enrolled.splice(0)) {
    linkRush.leave(relayId);
  }
});

describe("relays that come all at once", () => {
  it("give their place back with the welcome", async () => {
    for (const relay of await enrolMany()) {
      await RelaySocket.link(relay);
    }
  });

  it("give their place back when they go before the welcome", async () => {
    for (const relay of await enrolMany()) {
      const socket = await RelaySocket.open(relay);
      socket.close();
      await socket.closed;
    }
  });

  it("take one place each, however often they come", async () => {
    const relay = await enrol();
    for (let time = 0; time < MANY; time += 1) {
      await RelaySocket.open(relay);
    }
    const socket = await RelaySocket.open(await enrol());
    socket.close();
  });

  it("are refused beyond a bound, until one of those before is welcomed", async () => {
    const relays = await enrolMany();
    const late = relays.pop();
    // Together, so that all have their places long before the first place is too old.
    const waiting = await Promise.all(
      relays.slice(0, MANY - 2).map(async (relay) => await RelaySocket.open(relay)),
    );
    if (late === undefined) {
      throw new Error("there are many");
    }
    const refused = await requestLink(await signRelayToken(late));
    await expectProblem(refused, 503, "control.rush");
    waiting[0]?.send(HELLO);
    expect(await waiting[0]?.next()).toMatchObject({ type: "welcome" });
    const socket = await RelaySocket.link(late);
    for (const each of [socket, ...waiting]) {
      each.close();
      await each.closed;
    }
  });

  it("are not kept out by strangers, who take no place", async () => {
    const relay = await enrol();
    const { key } = await makeRelayKey();
    for (let time = 0; time < MANY; time += 1) {
      const answer = await requestLink(await signRelayToken({ ...relay, key }));
      expect(answer.status).toBe(401);
      await answer.arrayBuffer();
    }
    const socket = await RelaySocket.link(relay);
    socket.close();
  });
});
