/** Rules of access and links for guests on the command line. */
import { describe, expect, it } from "vitest";
import {
  type FakeAnswer,
  type HeardRequest,
  invalidFields,
} from "../relay-control/fake-control-plane.ts";
import { run } from "./in-process.ts";

const WEB = { id: "con_AAAAAAAAAAAAAAAAAAAAAA", name: "web", source: "static" };
const ANN = "usr_AAAAAAAAAAAAAAAAAAAAAA";

const rule = {
  id: "acr_1",
  subject: { kind: "group", id: "grp_1", name: "Staff" },
  match: {
    ...{ consoleId: null, consoleName: null, source: "static" },
    ...{ project: null, tag: "prod", name: null },
  },
  level: "open",
};
const share = {
  ...{ id: "shr_1", console: WEB, issuer: { id: ANN, username: "ann" }, label: null },
  ...{ uses: 2, usesLeft: 1, state: "active", expiresAt: "2026-03-01T12:00:00.000Z" },
};
const page = (...items: object[]) => ({ json: { items, nextCursor: null } });

function plane({ method, path }: HeardRequest): FakeAnswer | undefined {
  switch (`${method} ${path.split("?")[0]}`) {
    case "GET /api/v1/consoles":
      return page(WEB);
    case "GET /api/v1/access-rules":
      return page(rule);
    case "POST /api/v1/access-rules":
      return { status: 201, json: rule };
    case "GET /api/v1/access/explain":
      return { json: { access: "open", byRole: null, disabled: false, rules: [rule] } };
    case "GET /api/v1/policies/effective":
      return {
        json: {
          ...{ user: { username: "ann" }, allowedNow: true, changesAt: "2026-03-01T18:00:00Z" },
          decisions: [
            { rule: "usb", value: "allow", contributions: [] },
            {
              rule: "idleS",
              value: 300,
              contributions: [
                { from: { by: "policy", name: "strict" }, wins: true },
                { from: { by: "console" }, wins: false },
              ],
            },
          ],
          warnings: [{ rule: "usb", message: "no relay can" }],
        },
      };
    case "GET /api/v1/shares":
      return page(share);
    case "POST /api/v1/shares":
      return { status: 201, json: { share, url: "https://k.example/share#kst" } };
    case "POST /api/v1/shares/shr_1/revoke":
      return { json: { sessionsEnding: 2, sessionsWaiting: 1 } };
    default:
      return undefined;
  }
}

describe("access", () => {
  it("is listed as who may what", async () => {
    const { stdout } = await run(["access"], plane);
    expect(stdout).toContain("acr_1  group Staff  open  source static, tag prod");
  });

  it("is granted to one subject, by conditions", async () => {
    const args = ["access", "grant", "--user", ANN, "--level", "own", "--console", "web"];
    const { code, stdout, heard } = await run([...args, "--tag", "prod"], plane);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "acr_1\n" });
    expect(heard.at(-1)?.body).toEqual({
      subject: { kind: "user", id: ANN },
      match: { consoleId: WEB.id, tag: "prod" },
      level: "own",
    });
    for (const who of [[], ["--everyone", "--user", "ann"]]) {
      const refused = await run(["access", "grant", ...who], plane);
      expect(refused).toMatchObject({ code: 2, heard: [] });
    }
  });

  it("is explained", async () => {
    const { stdout, heard } = await run(["access", "explain", ANN, "web"], plane);
    expect(heard.at(-1)?.path).toBe(`/api/v1/access/explain?userId=${ANN}&consoleId=${WEB.id}`);
    expect(stdout).toBe("open\n  open: acr_1, source static, tag prod\n");
  });
});

describe("shares", () => {
  it("are listed, of one console too", async () => {
    const { stdout, heard } = await run(["shares", "--console", "web"], plane);
    expect(heard.at(-1)?.path).toBe(`/api/v1/shares?consoleId=${WEB.id}`);
    expect(stdout).toMatch(/shr_1 +web +ann +active +1 of 2 /);
  });

  it("are issued with a time, uses and a stricter policy, and the link is printed", async () => {
    const args = ["shares", "create", "web", "--expires", "8h", "--uses", "2", "--idle", "5m"];
    const { stdout, heard } = await run(args, plane);
    expect(stdout).toBe("https://k.example/share#kst\n");
    expect(heard.at(-1)?.body).toEqual({
      consoleId: WEB.id,
      expiresInS: 28_800,
      uses: 2,
      policy: { idleS: 300 },
    });
    for (const wrong of [
      ["--expires", "never"],
      ["--expires", "soon"],
      ["--uses", "0"],
    ]) {
      const refused = await run(["shares", "create", "web", ...wrong], plane);
      expect(refused).toMatchObject({ code: 2, heard: [] });
    }
  });

  it("are issued with a warning where no relay can enforce their policy", async () => {
    const warnings = [{ rule: "input", message: "no relay can" }];
    const args = ["shares", "create", "web", "--input", "deny"];
    const { code, stdout, stderr } = await run(args, (request) =>
      request.path === "/api/v1/shares"
        ? { status: 201, json: { share, url: "https://k.example/share#kst", warnings } }
        : plane(request),
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "https://k.example/share#kst\n" });
    expect(stderr).toBe(`Opens web until ${share.expiresAt}.\nWarning: input: no relay can\n`);
  });

  it("are revoked, with their sessions when asked", async () => {
    const { stderr, heard } = await run(["shares", "revoke", "shr_1", "--end-sessions"], plane);
    expect(heard[0]?.body).toEqual({ endSessions: true });
    expect(stderr).toBe(
      "Revoked; 2 sessions were told to end, 1 of them when their relay is back.\n",
    );
  });
});

describe("policies", () => {
  it("are told as they come out, rule by rule, with who says so", async () => {
    const args = ["policies", "effective", "web", "--user", ANN];
    const { stdout, stderr, heard } = await run(args, plane);
    expect(heard.at(-1)?.path).toContain(`?consoleId=${WEB.id}&userId=${ANN}`);
    expect(stdout).toContain('usb    "allow"  default\n');
    expect(stdout).toContain("idleS  300      policy strict, (console)\n");
    expect(stderr).toBe(
      "Sessions are allowed now until 2026-03-01T18:00:00Z.\nWarning: usb: no relay can\n",
    );
  });

  it.each([
    ["2026-03-02T07:00:00Z", "No sessions are allowed until 2026-03-02T07:00:00Z.\n"],
    [null, "No sessions are allowed now.\n"],
  ])("outside their hours are told with when they open: %s", async (changesAt, said) => {
    const closed = { user: { username: "ann" }, allowedNow: false, changesAt };
    const explanation = { ...closed, decisions: [], warnings: [] };
    const { stderr } = await run(["policies", "effective", "web"], (request) =>
      request.path.startsWith("/api/v1/policies/effective")
        ? { json: explanation }
        : plane(request),
    );
    expect(stderr).toBe(said);
  });
});

describe("what the control plane finds wrong in a field", () => {
  it.each([
    [
      ["shares", "create", "web", "--expires", "90d"],
      { expiresInS: "must be at most 2592000" },
      "--expires, in seconds, must be at most 2592000.",
    ],
    [
      ["tokens", "create", "--name", "n", "--scopes", "x", "--days", "400"],
      { lifeDays: "must be at most 365", "scopes.0": "is no permission" },
      "--days must be at most 365. --scopes is no permission.",
    ],
    [
      ["access", "grant", "--everyone", "--tag", "$&"],
      { "match.tag": "must be $& shorter", colour: "is unknown" },
      "--tag must be $& shorter. colour is unknown.",
    ],
    [
      ["console", "add", "--name", "n", "--host", "h", "--port", "1", "--host-subject", "x"],
      { hostSubject: "must be a subject", ca: "is no PEM", "policy.idleS": "is short" },
      "--host-subject must be a subject. --ca-file is no PEM. --policy is short.",
    ],
    [["audit", "search", "--actor", "ann"], { actorId: "must be an id" }, "--actor must be an id."],
    [["access", "--limit", "9"], { limit: "must be less" }, "--limit must be less."],
  ])("is said of the flag that was typed: %j", async (args, fields, sentence) => {
    const { code, stderr } = await run(args, (request) =>
      request.path.startsWith("/api/v1/consoles?") ? plane(request) : invalidFields(fields),
    );
    expect(code).toBe(1);
    expect(stderr).toBe(
      `${sentence} Correct the fields that the answer names. (request.invalid, request req_1)\n`,
    );
  });
});

describe("console delete", () => {
  it("deletes the console of that name, or says that there is none", async () => {
    const deleting = ({ method, path, ...rest }: HeardRequest) =>
      method === "DELETE" && path === `/api/v1/consoles/${WEB.id}`
        ? { status: 204, text: "" }
        : plane({ method, path, ...rest });
    const deleted = await run(["console", "delete", "web"], deleting);
    expect(deleted).toMatchObject({ code: 0, stdout: "", stderr: "Deleted web.\n" });
    expect(deleted.heard.at(-1)?.method).toBe("DELETE");
    const unknown = await run(["console", "delete", "nobody"], deleting);
    expect(unknown).toMatchObject({
      code: 1,
      stderr: "No console is called nobody. See them: npx kerbside consoles.\n",
    });
    expect(unknown.heard.every(({ method }) => method === "GET")).toBe(true);
    expect(await run(["console", "delete"], deleting)).toMatchObject({ code: 2, heard: [] });
  });

  it("fails in the control plane's words", async () => {
    const { code, stderr } = await run(["console", "delete", "web"], plane);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "Check the id. (resource.not-found, request req_1)\n",
    });
  });
});
