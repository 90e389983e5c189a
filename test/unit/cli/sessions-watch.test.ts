/** Watching sessions on the command line: what is shown of a feed, and how it ends. */
import { describe, expect, it } from "vitest";
import {
  type FakeAnswer,
  type HeardRequest,
  problem,
} from "../relay-control/fake-control-plane.ts";
import { CONSOLE_B, SESSION } from "./fake-answers.ts";
import { run } from "./in-process.ts";

const USER_B = "usr_BBBBBBBBBBBBBBBBBBBBBB";
const RELAY_B = "rly_BBBBBBBBBBBBBBBBBBBBBB";
const AT = "2026-03-01T12:34:56.000Z";
const other = {
  ...{ ...SESSION, id: "ses_2", console: { id: CONSOLE_B, name: "a longer name" } },
  user: { id: USER_B, username: "admin" },
  relay: { id: RELAY_B, name: "relay-1" },
};
const ended = { ...SESSION, state: "ended", endReason: "idle", endedAt: AT };

/** As long as they are, or usually are. */
const SESSION_OF_LENGTH = {
  ...{ ...SESSION, id: `ses_${"B".repeat(22)}`, createdAt: AT },
  console: { id: CONSOLE_B, name: "database-primary" },
  user: { id: USER_B, username: "administrator" },
};

const session = (data: object) => `event: session\ndata: ${JSON.stringify(data)}\nid: 2\n\n`;
/** Comes again at once. */
const READY = "event: ready\ndata: {}\nid: 1\nretry: 1\n\n";
const LOGIN_ENDED = "event: ended\ndata: {}\n\n";

/** A control plane whose feed says so, one connection after the other, and then refuses. */
function feedOf(...connections: readonly string[]) {
  let connected = 0;
  return ({ path }: HeardRequest): FakeAnswer | undefined => {
    if (path === "/api/v1/sessions/feed") {
      const text = connections[connected];
      connected += 1;
      return text === undefined
        ? problem(401, "auth.required", "Log in and send the token.")
        : { text, contentType: "text/event-stream" };
    }
    if (path === `/api/v1/consoles/${CONSOLE_B}`) {
      return { json: { id: CONSOLE_B, name: "b", source: "static" } };
    }
    return path.startsWith("/api/v1/sessions?state=live")
      ? { json: { items: [SESSION], nextCursor: null } }
      : undefined;
  };
}

const watch = (args: readonly string[], ...connections: readonly string[]) =>
  run(["sessions", "watch", ...args], feedOf(...connections));

describe("kerbside sessions watch", () => {
  it("shows what lives once, and each change over several connections", async () => {
    const { stdout } = await watch([], READY + session(other), READY + session(ended));
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^SINCE +ID +CONSOLE +USER +STATE +RELAY$/);
    expect(lines[1]).toMatch(/^2026-\S+ +ses_1 +web +admin +active +relay-1$/);
    expect(lines[2]).toMatch(/^2026-\S+ +ses_2 +a longer name +admin +active +relay-1$/);
    expect(lines[3]).toMatch(/ ses_1 +web +admin +ended: idle +relay-1$/);
  });

  it.each([[[SESSION_OF_LENGTH]], [[]]])(
    "has a head that lines up with its rows: %#",
    async (live) => {
      const change = { ...SESSION_OF_LENGTH, state: "ended", endReason: "client-closed" };
      const feed = feedOf(READY + session(change));
      const { stdout } = await run(["sessions", "watch"], (request) =>
        request.path.includes("state=live")
          ? { json: { items: live, nextCursor: null } }
          : feed(request),
      );
      const [head = "", ...rows] = stdout.trimEnd().split("\n");
      const cells = ["2026-", "ses_B", "database", "administrator", "ended: ", "relay-1"];
      const at = ["SINCE", "ID", "CONSOLE", "USER", "STATE", "RELAY"].map((name) =>
        head.indexOf(name),
      );
      expect(cells.map((cell) => rows.at(-1)?.indexOf(cell))).toEqual(at);
    },
  );

  it("prints a line of JSON for each to programs", async () => {
    const { stdout } = await watch(["--json"], READY + session({ ...ended, more: [1] }));
    const lines = stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([SESSION, { ...ended, more: [1] }]);
  });

  it.each([
    ["--console", CONSOLE_B, "consoleId"],
    ["--user", USER_B, "userId"],
    ["--relay", RELAY_B, "relayId"],
  ])("shows only what %s asks for", async (option, id, parameter) => {
    const owned = { ...other, id: "ses_3", user: null, relay: null, console: SESSION.console };
    const feed = READY + session(ended) + session(other) + session(owned);
    const { stdout, heard } = await watch([option, id, "--json"], feed);
    const listed = heard.find(({ path }) => path.includes("state=live"));
    expect(listed?.path).toBe(`/api/v1/sessions?state=live&${parameter}=${id}`);
    // What the control plane lists is not judged again.
    const lines = stdout.trimEnd().split("\n").slice(1);
    expect(lines.map((line) => JSON.parse(line))).toEqual([other]);
  });

  it("shows again what lives when changes were missed", async () => {
    const { stdout, stderr } = await watch(["--json"], READY, READY.replace("ready", "reset"));
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
    expect(stderr).toContain("Changes were missed. These sessions live now:\n");
  });

  it.each([
    ["says so", [READY + LOGIN_ENDED], "Your login has ended, or may see less than before."],
    ["refuses to go on", [READY], "Log in and send the token. (auth.required, request req_1)"],
    ["refuses to begin", [], "Log in and send the token. (auth.required, request req_1)"],
  ])("fails and says to log in when the control plane %s", async (_how, connections, sentence) => {
    const { code, stderr } = await watch([], ...connections);
    expect(code).toBe(1);
    expect(stderr).toBe(`${sentence} Log in again: npx kerbside login.\n`);
  });

  it("fails at what another version says, and lets pass what is only new", async () => {
    const { code, stderr } = await watch(
      [],
      `${READY}event: news\ndata: 1\n\n${session({ id: 1 })}`,
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/are they of different versions\?\n$/);
  });

  it("ends well when the watcher has seen enough", async () => {
    const controller = new AbortController();
    const answer = feedOf(READY);
    const { code, stderr } = await run(
      ["sessions", "watch"],
      (request) => {
        if (request.path.includes("state=live")) {
          controller.abort();
        }
        return answer(request);
      },
      controller.signal,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});
