/** The kerbside command as people run it: a process of its own against an API on loopback. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, it } from "vitest";
import { ERRORS } from "#shared/errors/catalogue.ts";
import { runToEnd, startChild } from "../../harness/child-process.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import {
  answerEnrolment,
  problem,
  startFakeControlPlane,
} from "../relay-control/fake-control-plane.ts";
import { answer, CONSOLE_A, CONSOLE_B, SESSION, EXPIRES_AT } from "./fake-answers.ts";
import { LAUNCH, environment, kerbside, loggedIn, startPlane } from "./kerbside-command.ts";

describe("kerbside", () => {
  it("helps", async () => {
    await using folder = await makeTempFolder();
    const help = await kerbside(folder, ["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const name of [
      ["login"],
      ["logout"],
      ["consoles"],
      ["open"],
      ["sessions"],
      ["terminate"],
      ["console", "add"],
      ["join-token", "create"],
      ["relay", "enrol"],
      ["relay", "run"],
    ]) {
      expect(help.stdout).toContain(name.join(" "));
    }
    const one = await kerbside(folder, ["relay", "enrol", "--help"]);
    expect(one.stdout).toContain("--join-token-file");
  });

  it.each([
    [[], /^Usage: kerbside/],
    [["frobnicate"], /^"frobnicate" is no command\. See npx kerbside --help\.\n$/],
    [
      ["sesions"],
      /^"sesions" is no command\. Did you mean sessions\? See npx kerbside --help\.\n$/,
    ],
    [["session"], /^"session" is no command\. Did you mean sessions\? /],
    [["consoels", "--json"], /^"consoels" is no command\. Did you mean consoles\? /],
    [["console"], /^Say what to do: npx kerbside console add or delete\./],
    [
      ["relay", "fly"],
      /^"relay fly" is no command; try relay enrol, run, status, drain, resume or rotate-key\./,
    ],
    [
      ["console", "add", "takeme", "--host", "h", "--port", "5900"],
      /^"takeme" is one argument too many\. Did you mean --name takeme\? See /,
    ],
    [["console", "add", "b", "--name", "a"], /^"b" is one argument too many\. See /],
    [
      ["console", "add", "--name", "n", "--host", "h", "--port", "1", "--idle", "-5"],
      /^--idle cannot be "-5"\./,
    ],
    [["open", "n".repeat(129)], /^A console's name has at most 128 characters\./],
    [["consoles", "--bogus"], /'--bogus'.* See npx kerbside consoles --help\.\n$/],
    [["open"], /^NAME\|ID is missing\. See npx kerbside open --help\.\n$/],
    [["open", "a", "b"], /^"b" is one argument too many\./],
    [["open", "a", "--output", "x", "--viewer", "y"], /not both/],
    [["console", "add", "--name", "n", "--host", "h"], /^Give --port, --tls-port, or both\./],
    [["console", "add", "--name", "n", "--host", "h", "--port", "0"], /^--port must be a port/],
    [
      ["relay", "enrol", "--url", "u", "--name", "n", "--host", "h", "--state-dir", "s"],
      /^--tls-port is missing\./,
    ],
    [["login", "--username", "admin"], /^Say where the control plane is: --url URL\./],
    [["login", "--url", "not a url", "--username", "admin"], /is not a URL/],
    [["login", "--url", "ftp://x", "--username", "admin"], /^[^\n]* not ftp\. See/],
  ])("answers %j with a sentence and exit code 2", async (args, sentence) => {
    await using folder = await makeTempFolder();
    const ended = await kerbside(folder, args);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toMatch(sentence);
  });

  it("says that its dependencies are missing", async () => {
    await using folder = await makeTempFolder();
    mkdirSync(folder.file("relay/cli"), { recursive: true });
    copyFileSync(LAUNCH, folder.file("relay/cli/launch.mjs"));
    const ended = await runToEnd({
      command: process.execPath,
      args: [folder.file("relay/cli/launch.mjs"), "--help"],
    });
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toContain(`run npm ci in ${folder.path}.`);
  });
});

describe("kerbside login", () => {
  it("keeps the token for its owner alone, and logout forgets it on both sides", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, `${plane.url}/`);
    const file = folder.file("config/kerbside/login.json");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      url: plane.url,
      token: "token-of-admin",
      expiresAt: EXPIRES_AT,
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await kerbside(folder, ["logout"])).toMatchObject({ code: 0, stderr: "Logged out.\n" });
    expect(existsSync(file)).toBe(false);
    expect(plane.heard.at(-1)).toMatchObject({
      path: "/api/v1/auth/logout",
      token: "token-of-admin",
    });
    expect(await kerbside(folder, ["consoles"])).toMatchObject({
      code: 1,
      stderr: "You are not logged in. Log in first: npx kerbside login --url URL.\n",
    });
  });

  it("reads the password from a file or from standard input", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    writeFileSync(folder.file("password"), "correct horse\n");
    const args = ["login", "--url", plane.url, "--username", "admin"];
    const byFile = await kerbside(folder, [...args, "--password-file", folder.file("password")]);
    expect(byFile.code).toBe(0);
    await using byInput = startChild({
      command: process.execPath,
      args: [LAUNCH, ...args],
      env: environment(folder),
    });
    byInput.write("correct horse\n");
    byInput.endInput();
    expect((await byInput.waitForExit()).code).toBe(0);
    expect(plane.heard).toHaveLength(2);
    const nothing = await kerbside(folder, args);
    expect(nothing).toMatchObject({ code: 2 });
    expect(nothing.stderr).toContain("No password was given.");
  });

  it("says what the control plane says, with the request's id, and keeps nothing", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    const ended = await kerbside(
      folder,
      ["login", "--url", plane.url, "--username", "admin"],
      "wrong",
    );
    expect(ended).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "The user name or the password is wrong. (auth.invalid-credentials, request req_1)\n",
    });
    expect(existsSync(folder.file("config"))).toBe(false);
  });

  it.each([
    ["840", "in 840 s"],
    ["Wed, 21 Oct 2026 07:28:00 GMT", "later"],
    ["999999", "later"],
  ])("says when to try again after too many attempts: %s", async (retryAfter, when) => {
    await using folder = await makeTempFolder();
    const limited = problem(429, "request.rate-limited", ERRORS["request.rate-limited"].hint);
    await using plane = await startFakeControlPlane(() => ({
      ...limited,
      headers: { "retry-after": retryAfter },
    }));
    const args = ["login", "--url", plane.url, "--username", "admin"];
    expect((await kerbside(folder, args, "wrong")).stderr).toBe(
      `Too many attempts. Try again ${when}. (request.rate-limited, request req_1)\n`,
    );
  });

  it("says that the control plane is not running", async () => {
    await using folder = await makeTempFolder();
    const plane = await startPlane();
    await plane[Symbol.asyncDispose]();
    const ended = await kerbside(folder, ["login", "--url", plane.url, "--username", "admin"], "x");
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(`The control plane at ${plane.url} is not running`);
  });

  it("says that a control plane without TLS was asked by TLS", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    const url = plane.url.replace("http:", "https:");
    const ended = await kerbside(folder, ["login", "--url", url, "--username", "admin"], "x");
    expect(ended).toMatchObject({
      code: 1,
      stderr: `The control plane at ${url} does not speak TLS: write ${plane.url}.\n`,
    });
  });

  it("never shows a token to another server", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await using other = await startPlane();
    await loggedIn(folder, plane.url);
    const ended = await kerbside(folder, ["consoles", "--url", other.url]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(`You are logged in at ${plane.url}, not at ${other.url}.`);
    expect(other.heard).toEqual([]);
  });

  it("says that a stored login is corrupt", async () => {
    await using folder = await makeTempFolder();
    mkdirSync(folder.file("config/kerbside"), { recursive: true });
    writeFileSync(folder.file("config/kerbside/login.json"), "{");
    const ended = await kerbside(folder, ["consoles"]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("login.json is corrupt. Log in again: npx kerbside login.");
  });
});

describe("kerbside's lists", () => {
  it("show every page, and no control character reaches the terminal", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const table = await kerbside(folder, ["consoles"]);
    expect(table.stdout).toBe(
      "ID                          NAME      SOURCE\n" +
        `${CONSOLE_A}  web \u{FFFD}[2J  static\n` +
        `${CONSOLE_B}  twin      static\n` +
        "con_CCCCCCCCCCCCCCCCCCCCCC  twin      static\n",
    );
    const json = await kerbside(folder, ["consoles", "--json"]);
    expect(JSON.parse(json.stdout)).toHaveLength(3);
    await kerbside(folder, ["consoles", "--site", "syd"]);
    expect(plane.heard.at(-1)?.path).toBe("/api/v1/consoles?siteId=sit_1");
  });

  it("show living sessions, and ended ones when asked", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const living = await kerbside(folder, ["sessions"]);
    expect(living.stdout).toMatch(/^ID .*\nses_1 +web +admin +active +relay-1/);
    expect(living.stdout).not.toContain("ses_2");
    const all = await kerbside(folder, ["sessions", "--all"]);
    expect(all.stdout).toContain("ended: terminated");
  });
});

describe("kerbside sessions of consoles that one owns", () => {
  it("names nobody whose name is withheld, and tells guests", async () => {
    await using folder = await makeTempFolder();
    const items = [
      { ...SESSION, id: "ses_a", user: null, share: null },
      { ...SESSION, id: "ses_b", share: { id: "shr_1", label: null } },
      { ...SESSION, id: "ses_c", share: { id: "shr_1", label: "for Ann" } },
    ];
    let url = "";
    await using plane = await startFakeControlPlane((request) =>
      request.path.startsWith("/api/v1/sessions?")
        ? { json: { items, nextCursor: null } }
        : answer(() => url, request),
    );
    url = plane.url;
    await loggedIn(folder, plane.url);
    const { stdout } = await kerbside(folder, ["sessions"]);
    expect(stdout).toMatch(/ses_a +web +- +active/);
    expect(stdout).toMatch(/ses_b +web +admin \(guest\) +active/);
    expect(stdout).toMatch(/ses_c +web +admin \(guest: for Ann\) +active/);
  });
});

describe("kerbside sessions with none to show", () => {
  it.each([
    [[], "None; --all shows ended ones.\n"],
    [["--all"], "None.\n"],
  ])("says so: %j", async (args, sentence) => {
    await using folder = await makeTempFolder();
    let url = "";
    await using plane = await startFakeControlPlane((request) =>
      request.path.startsWith("/api/v1/sessions")
        ? { json: { items: [], nextCursor: null } }
        : answer(() => url, request),
    );
    url = plane.url;
    await loggedIn(folder, plane.url);
    const listed = await kerbside(folder, ["sessions", ...args]);
    expect(listed).toMatchObject({ code: 0, stdout: "", stderr: sentence });
  });
});

describe("kerbside for admins", () => {
  it("ends a session", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    expect(await kerbside(folder, ["terminate", "ses_1"])).toMatchObject({
      code: 0,
      stderr: "Its relay ends it now.\n",
    });
    const gone = await kerbside(folder, ["terminate", "ses_nope"]);
    expect(gone).toMatchObject({ code: 1, stderr: "There is no session ses_nope.\n" });
    const unknown = await kerbside(folder, ["terminate", "../x"]);
    expect(unknown.code).toBe(1);
    expect(plane.heard.at(-1)?.path).toBe("/api/v1/sessions/..%2Fx/terminate");
  });

  it("makes a join token", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const ended = await kerbside(folder, ["join-token", "create"]);
    expect(ended).toMatchObject({ code: 0, stdout: "kjt_1\n" });
  });

  it("makes a join token that is bound to a name, to a site, and to a time", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const create = async (...args: string[]) =>
      await kerbside(folder, ["join-token", "create", ...args]);
    const ended = await create("--name", "syd1", "--site", "syd", "--minutes", "60");
    expect(ended).toMatchObject({ code: 0, stdout: "kjt_1\n" });
    expect(ended.stderr).toContain("For a relay named syd1, until ");
    expect(plane.heard.at(-1)?.body).toEqual({ name: "syd1", siteId: "sit_1", minutes: 60 });
    for (const siteId of ["sit_default", "sit_AAAAAAAAAAAAAAAAAAAAAA"]) {
      expect(await create("--site", siteId)).toMatchObject({ code: 0 });
      expect(plane.heard.at(-1)?.body).toEqual({ siteId });
    }
    expect(await create("--site", "mel")).toMatchObject({
      code: 1,
      stderr: "No site is called mel. See them: npx kerbside sites.\n",
    });
    expect((await create("--minutes", "soon")).code).toBe(2);
  });
});

describe("kerbside relay", () => {
  it("enrols, refuses to enrol over it, and a run passes signals and exit code through", async () => {
    await using folder = await makeTempFolder();
    // The relay's link comes here too, and is answered "not found".
    await using plane = await startFakeControlPlane(({ path, body }) =>
      path === "/api/v1/relays/enrol"
        ? answerEnrolment(plane.url, (body as { csr: string }).csr)
        : undefined,
    );
    writeFileSync(folder.file("join-token"), "kjt_1\n");
    const args = [
      "relay",
      "enrol",
      "--url",
      plane.url,
      "--join-token-file",
      folder.file("join-token"),
      "--name",
      "relay-1",
      "--host",
      "127.0.0.1",
      "--tls-port",
      "5900",
      "--state-dir",
      folder.file("state"),
    ];
    const enrolled = await kerbside(folder, args);
    expect(enrolled).toMatchObject({ code: 0, stdout: "rly_AAAAAAAAAAAAAAAAAAAAAA\n" });
    expect(enrolled.stderr).toMatch(/^Enrolled as relay-1, key SHA256:[\w-]{43}\.\n/);
    expect((await kerbside(folder, args)).code).toBe(1);
    await using relay = startChild({
      command: process.execPath,
      args: [
        LAUNCH,
        "relay",
        "run",
        "--state-dir",
        folder.file("state"),
        "--listen-host",
        "127.0.0.1",
        "--listen-port",
        "0",
      ],
      env: environment(folder),
    });
    await relay.waitForOutput("stdout", /relay\.listening/);
    relay.signal("SIGTERM");
    expect(await relay.waitForExit()).toEqual({ code: 0, signal: null });
    expect(relay.output("stdout")).toContain('"reason":"SIGTERM"');
  });

  it("says what is wrong with the relay's flags", async () => {
    await using folder = await makeTempFolder();
    const ended = await kerbside(folder, ["relay", "run"]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain("--state-dir (or KERBSIDE_STATE_DIR) is missing");
  });
});
