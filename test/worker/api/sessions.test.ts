import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readServerEvents, type ServerEvent } from "../../harness/server-events.ts";
import {
  call,
  expectProblem,
  grant,
  makeSite,
  makeUser,
  read,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { FakeRelay } from "./fake-relay.ts";

let admin: TestUser;
let user: TestUser;
let relay: FakeRelay;
let siteId: string;

beforeAll(async () => {
  admin = await makeUser("admin");
  user = await makeUser("user");
  siteId = (await makeSite(admin)).id;
  relay = await FakeRelay.join(admin, { siteId });
});

afterAll(() => relay.close());

/** A console that the user may open, on this file's relay. */
async function makeConsole(): Promise<string> {
  const json = { name: uniqueName("console"), host: "10.0.0.5", port: 5900, siteId };
  const { id } = await read(await call("/consoles", { token: admin.token, json }), 201);
  const consoleId = String(id);
  await grant(admin, user, { consoleId });
  return consoleId;
}

async function open(consoleId: string): Promise<string> {
  const path = `/consoles/${consoleId}/tickets`;
  const issued = await read(await call(path, { method: "POST", token: user.token }), 201);
  return String(issued["sessionId"]);
}

async function list(query: string, token = admin.token): Promise<unknown[]> {
  const page = await read(await call(`/sessions?${query}`, { token }), 200);
  return (page["items"] as Record<string, unknown>[]).map(({ id }) => id);
}

describe("the list of sessions", () => {
  it("can be narrowed to a console, a user, a relay, a state and a time", async () => {
    const consoleId = await makeConsole();
    const id = await open(consoleId);
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    for (const query of [
      "state=pending",
      "state=live",
      `userId=${user.id}`,
      `relayId=${relay.id}`,
      `from=${hourAgo}&to=${inAnHour}`,
    ]) {
      expect(await list(`consoleId=${consoleId}&${query}`)).toEqual([id]);
    }
    for (const query of [
      "state=ended",
      "state=active",
      `userId=${admin.id}`,
      "relayId=rly_none",
      `to=${hourAgo}`,
      `from=${inAnHour}`,
    ]) {
      expect(await list(`consoleId=${consoleId}&${query}`)).toEqual([]);
    }
    expect(await list(`consoleId=${consoleId}`, (await makeUser("user")).token)).toEqual([]);
  });

  it("refuses filters that are none", async () => {
    for (const query of ["state=gone", "from=yesterday", "consoleId="]) {
      const response = await call(`/sessions?${query}`, { token: admin.token });
      await expectProblem(response, 422, "request.invalid");
    }
  });
});

describe("ending many sessions", () => {
  it("ends those of a console for an operator, and is forbidden to users", async () => {
    const consoleId = await makeConsole();
    const id = await open(consoleId);
    const path = `/consoles/${consoleId}/sessions/terminate`;
    const refused = await call(path, { method: "POST", token: user.token });
    await expectProblem(refused, 403, "console.access-too-low");
    const operator = await makeUser("operator");
    const answer = await read(await call(path, { method: "POST", token: operator.token }), 202);
    expect(answer).toEqual({ ending: [id], unreached: [], more: false });
    const session = await read(await call(`/sessions/${id}`, { token: user.token }), 200);
    expect(session["endRequest"]).toMatchObject({
      user: { id: operator.id, username: operator.username },
    });
  });

  it("ends a user's own", async () => {
    const id = await open(await makeConsole());
    const path = `/users/${user.id}/sessions/terminate`;
    const other = await makeUser("user");
    const refused = await call(path, { method: "POST", token: other.token });
    await expectProblem(refused, 403, "auth.forbidden");
    const answer = await read(await call(path, { method: "POST", token: user.token }), 202);
    expect(answer["ending"]).toContain(id);
  });
});

describe("the feed of sessions", () => {
  it("streams the changes of one's sessions as server-sent events", async () => {
    const consoleId = await makeConsole();
    const response = await call("/sessions/feed", { token: user.token });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toContain("text/event-stream");
    const events = readServerEvents(response);
    const ready = await nextEvent(events);
    expect(ready).toMatchObject({ event: "ready" });
    const id = await open(consoleId);
    const opened = await nextEvent(events);
    expect(opened.event).toBe("session");
    expect(JSON.parse(opened.data)).toMatchObject({ id, state: "pending" });
    expect(Number(opened.id)).toBeGreaterThan(Number(ready.id));
    await events.return(undefined);
    // From the number of the beginning the change comes again.
    const again = readServerEvents(
      await call("/sessions/feed", {
        token: user.token,
        headers: { "Last-Event-ID": ready.id },
      }),
    );
    expect(await nextEvent(again)).toMatchObject({ event: "ready", id: ready.id });
    expect(JSON.parse((await nextEvent(again)).data)).toMatchObject({ id });
    await again.return(undefined);
  });

  it("is not for strangers, and refuses a number that is none", async () => {
    await expectProblem(await call("/sessions/feed"), 401, "auth.required");
    const options = { token: user.token, headers: { "Last-Event-ID": "x" } };
    const refused = await expectProblem(
      await call("/sessions/feed", options),
      422,
      "request.invalid",
    );
    const message = "must be the id of an event of this feed";
    expect(refused["fields"]).toEqual([{ field: "last-event-id", message }]);
  });
});

async function nextEvent(events: AsyncGenerator<ServerEvent, undefined>): Promise<ServerEvent> {
  const next = await events.next();
  if (next.value === undefined) {
    throw new Error("the feed has ended");
  }
  return next.value;
}
