/** Relays that come all at once, on a host whose hubs share the isolate of the route. */
import { beforeAll, describe, expect, it } from "vitest";
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

beforeAll(() => linkRush.countHubs());

const enrolMany = async (): Promise<TestRelay[]> =>
  await Promise.all(Array.from({ length: MANY }, async () => await enrolTestRelay()));

describe("relays that come all at once", () => {
  it("give their place back with the welcome, and when they go before it", async () => {
    const [restless, ...others] = await enrolMany();
    for (let time = 0; time < MANY && restless !== undefined; time += 1) {
      await RelaySocket.open(restless);
    }
    for (const relay of others) {
      const socket = await RelaySocket.link(relay);
      socket.close();
      await socket.closed;
      const again = await RelaySocket.open(relay);
      again.close();
      await again.closed;
    }
  });

  it("are refused beyond a bound, until one of those before is welcomed", async () => {
    const relays = await enrolMany();
    const late = relays.pop();
    const waiting: RelaySocket[] = [];
    for (const relay of relays.slice(0, MANY - 2)) {
      waiting.push(await RelaySocket.open(relay));
    }
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
    const relay = await enrolTestRelay();
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
