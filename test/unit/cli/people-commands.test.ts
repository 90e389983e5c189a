/** People, groups and tokens on the command line: what is asked for, and what is printed. */
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import {
  type FakeAnswer,
  type HeardRequest,
  problem,
} from "../relay-control/fake-control-plane.ts";
import { run } from "./in-process.ts";

const ANN = "usr_AAAAAAAAAAAAAAAAAAAAAA";
const STAFF = "grp_AAAAAAAAAAAAAAAAAAAAAA";

const ann = {
  id: ANN,
  username: "ann",
  displayName: null,
  role: "user",
  origin: "local",
  disabled: false,
  lastLoginAt: null,
};
const staff = { id: STAFF, name: "Staff", description: null };
const annual = { ...ann, id: "usr_BBBBBBBBBBBBBBBBBBBBBB", username: "annual" };
const page = (...items: object[]) => ({ json: { items, nextCursor: null } });

function people({ method, path, body }: HeardRequest): FakeAnswer | undefined {
  switch (`${method} ${path}`) {
    case "GET /api/v1/users":
    case "GET /api/v1/users?prefix=ANN":
    case "GET /api/v1/users?prefix=ann":
      return page(annual, ann);
    case "GET /api/v1/users?prefix=nobody":
      return page();
    case "POST /api/v1/users":
      return { status: 201, json: ann };
    case `PATCH /api/v1/users/${ANN}`:
      return { json: { ...ann, ...(body as object) } };
    case "GET /api/v1/groups?prefix=staff":
      return page(staff);
    case `GET /api/v1/groups/${STAFF}/members`:
      return page({ user: ann, origins: ["local", "oidc"] });
    case "POST /api/v1/account/tokens":
      return {
        status: 201,
        json: {
          ...{ id: "tok_1", name: "ci", scopes: [], lastUsedAt: null, revokedAt: null },
          ...{ token: "kat1_secret", expiresAt: "2026-06-01T00:00:00.000Z" },
        },
      };
    default:
      return /^(PUT|DELETE) /.test(`${method} `) ? { status: 204, text: "" } : undefined;
  }
}

const calls = (heard: readonly HeardRequest[]) =>
  heard.map(({ method, path, body }) =>
    body === null ? `${method} ${path}` : `${method} ${path} ${JSON.stringify(body)}`,
  );

describe("users", () => {
  it("are listed", async () => {
    const { stdout } = await run(["users"], people);
    expect(stdout).toMatch(/^ID +NAME +ROLE +FROM +STATE +LAST LOGIN\n/);
    expect(stdout).toContain(`${ANN}  ann     user  local  enabled  -`);
  });

  it("are added with a password from a file, and the id is printed", async () => {
    await using folder = await makeTempFolder();
    writeFileSync(folder.file("password"), "correct horse\n");
    const args = ["users", "add", "ann", "--new-password-file", folder.file("password")];
    const { code, stdout, stderr, heard } = await run([...args, "--role", "operator"], people);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `${ANN}\n`,
      stderr: "Added ann.\n",
    });
    expect(heard[0]?.body).toEqual({
      username: "ann",
      password: "correct horse",
      role: "operator",
    });
    const missing = await run(["users", "add", "ann"], people);
    expect(missing).toMatchObject({ code: 2, heard: [] });
    expect(missing.stderr).toContain("--new-password-file is missing");
  });

  it("are found by their whole name in any case, or taken by their id", async () => {
    const named = await run(["users", "disable", "ANN"], people);
    expect(named.stderr).toBe("ann is disabled.\n");
    expect(calls(named.heard)).toEqual([
      "GET /api/v1/users?prefix=ANN",
      `PATCH /api/v1/users/${ANN} {"disabled":true}`,
    ]);
    const known = await run(["users", "delete", ANN], people);
    expect(calls(known.heard)).toEqual([`DELETE /api/v1/users/${ANN}`]);
    const unknown = await run(["users", "enable", "nobody"], people);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toBe("No user is called nobody. See them: npx kerbside users.\n");
  });

  it("that the control plane refuses are refused in its words", async () => {
    const refuse = () => problem(403, "auth.forbidden", "Ask an administrator.");
    const { code, stderr } = await run(["users"], refuse);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "Ask an administrator. (auth.forbidden, request req_1)\n",
    });
  });
});

describe("groups", () => {
  it("have members", async () => {
    const { stdout } = await run(["groups", "members", "staff"], people);
    expect(stdout).toContain(`${ANN}  ann   local, oidc`);
    const joined = await run(["groups", "add-member", "staff", "ann"], people);
    expect(calls(joined.heard).at(-1)).toBe(`PUT /api/v1/groups/${STAFF}/members/${ANN}`);
    expect(joined).toMatchObject({ code: 0, stderr: "Added.\n" });
  });
});

describe("tokens", () => {
  it("are printed once, and as JSON with --json", async () => {
    const args = ["tokens", "create", "--name", "ci", "--scopes", "consoles.read, consoles.open"];
    const { stdout, stderr, heard } = await run(args, people);
    expect(stdout).toBe("kat1_secret\n");
    expect(stderr).toBe("Good until 2026-06-01T00:00:00.000Z.\n");
    expect(heard[0]?.body).toEqual({
      name: "ci",
      scopes: ["consoles.read", "consoles.open"],
      lifeDays: 90,
    });
    const json = await run([...args, "--json"], people);
    expect(JSON.parse(json.stdout)).toMatchObject({ token: "kat1_secret", name: "ci" });
    expect(await run([...args, "--days", "soon"], people)).toMatchObject({ code: 2, heard: [] });
  });
});

describe("terminate", () => {
  it("ends every session of a user, call after call", async () => {
    const answers = [
      { ending: ["ses_1", "ses_2"], unreached: [], more: true },
      {
        ending: ["ses_3"],
        unreached: [{ sessionId: "ses_4", code: "control.offline" }],
        more: false,
      },
    ];
    const { code, stderr, heard } = await run(["terminate", "--user", "ann"], (request) =>
      request.method === "POST" ? { json: answers.shift() } : people(request),
    );
    expect(code).toBe(1);
    expect(stderr).toBe("3 sessions told to end.\n1 session will end when its relay is back.\n");
    const ended = calls(heard).filter((call) => call.startsWith("POST"));
    expect(ended).toEqual(Array(2).fill(`POST /api/v1/users/${ANN}/sessions/terminate`));
  });

  it("is asked for one thing", async () => {
    for (const args of [[], ["ses_1", "--user", "ann"], ["--user", "ann", "--console", "web"]]) {
      expect(await run(["terminate", ...args], people)).toMatchObject({ code: 2, heard: [] });
    }
  });
});

describe("sessions", () => {
  it("are asked for by who, where and when; living ones unless --all", async () => {
    const answer = (request: HeardRequest) =>
      request.path.startsWith("/api/v1/sessions") ? page() : people(request);
    const living = await run(["sessions", "--user", "ann"], answer);
    expect(calls(living.heard).at(-1)).toBe(`GET /api/v1/sessions?state=live&userId=${ANN}`);
    const all = await run(["sessions", "--all", "--from", "2026-03-01"], answer);
    expect(calls(all.heard)).toEqual(["GET /api/v1/sessions?from=2026-03-01T00%3A00%3A00.000Z"]);
  });
});
