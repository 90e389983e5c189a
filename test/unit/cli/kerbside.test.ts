/** The kerbside command as people run it: a process of its own against an API on loopback. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runToEnd, startChild } from "../../harness/child-process.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import { answerEnrolment, startFakeControlPlane } from "../relay-control/fake-control-plane.ts";
import { answer, CONSOLE_A, CONSOLE_B, EXPIRES_AT, SESSION, VV } from "./fake-answers.ts";

const LAUNCH = fileURLToPath(new URL("../../../relay/cli/launch.mjs", import.meta.url));

async function startPlane() {
  const plane = await startFakeControlPlane((request) => answer(() => plane.url, request));
  return plane;
}

function environment(folder: TempFolder, password?: string) {
  return {
    XDG_CONFIG_HOME: folder.file("config"),
    HOME: folder.path,
    PATH: folder.file("bin"),
    DISPLAY: ":0",
    WAYLAND_DISPLAY: undefined,
    TMPDIR: folder.path,
    KERBSIDE_URL: undefined,
    KERBSIDE_PASSWORD: password,
  };
}

function kerbside(
  folder: TempFolder,
  args: readonly string[],
  password?: string,
  more: Readonly<Record<string, string | undefined>> = {},
) {
  return runToEnd({
    command: process.execPath,
    args: [LAUNCH, ...args],
    env: { ...environment(folder, password), ...more },
    cwd: folder.path,
  });
}

async function loggedIn(folder: TempFolder, url: string): Promise<void> {
  const login = await kerbside(
    folder,
    ["login", "--url", url, "--username", "admin"],
    "correct horse",
  );
  expect(login).toMatchObject({ code: 0, stdout: "" });
}

/** A viewer that keeps what it was given, and how the file looked. */
function installViewer(folder: TempFolder, exitCode = 0): void {
  const script =
    `#!${process.execPath}\n` +
    'const fs = require("node:fs");\n' +
    "const mode = (fs.statSync(process.argv[2]).mode & 0o777).toString(8);\n" +
    `fs.copyFileSync(process.argv[2], ${JSON.stringify(folder.file("shown.vv"))});\n` +
    `fs.writeFileSync(${JSON.stringify(folder.file("shown.txt"))}, process.argv[2] + " " + mode);\n` +
    `process.exit(${exitCode});\n`;
  mkdirSync(folder.file("bin"), { recursive: true });
  writeFileSync(folder.file("bin/remote-viewer"), script);
  chmodSync(folder.file("bin/remote-viewer"), 0o755);
}

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
    [["frobnicate"], /^"frobnicate" is no command\. See kerbside --help\.\n$/],
    [["console"], /^Say what to do: kerbside console add\./],
    [["relay", "fly"], /^"relay fly" is no command; try relay enrol or run\./],
    [["consoles", "--bogus"], /'--bogus'.* See kerbside consoles --help\.\n$/],
    [["open"], /^NAME\|ID is missing\. See kerbside open --help\.\n$/],
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
      stderr: "You are not logged in. Log in first: kerbside login --url URL.\n",
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
      stderr: "Check the user name and the password. (auth.invalid-credentials, request req_1)\n",
    });
    expect(existsSync(folder.file("config"))).toBe(false);
  });

  it("says that the control plane is not running", async () => {
    await using folder = await makeTempFolder();
    const plane = await startPlane();
    await plane[Symbol.asyncDispose]();
    const ended = await kerbside(folder, ["login", "--url", plane.url, "--username", "admin"], "x");
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(`The control plane at ${plane.url} is not running`);
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
    expect(ended.stderr).toContain("login.json is corrupt. Log in again: kerbside login.");
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

describe("kerbside open", () => {
  it("gives the viewer a private file, passes its exit code on and leaves nothing", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    installViewer(folder, 7);
    const before = readdirSync(folder.path);
    const ended = await kerbside(folder, ["open", CONSOLE_A]);
    expect(ended).toMatchObject({ code: 7, stderr: "" });
    expect(readFileSync(folder.file("shown.vv"), "utf8")).toBe(VV);
    const [path = "", mode] = readFileSync(folder.file("shown.txt"), "utf8").split(" ");
    expect(path).toMatch(/\/kerbside-[^/]+\/web_2J\.vv$/);
    expect(mode).toBe("600");
    expect(existsSync(path)).toBe(false);
    const left = readdirSync(folder.path).filter((name) => !before.includes(name));
    expect(left.sort()).toEqual(["shown.txt", "shown.vv"]);
    // The one-time address is the credential: the login's token stays out of it.
    expect(plane.heard.at(-2)).toMatchObject({ path: "/api/v1/vv/one-time", token: null });
    expect(plane.heard.at(-1)).toMatchObject({ path: "/api/v1/sessions/ses_1" });
  });

  it("says why a console did not open, whatever the viewer showed", async () => {
    await using folder = await makeTempFolder();
    let url = "";
    const failure = { endReason: "failed", endDetail: "server.unreachable: connection refused" };
    await using plane = await startFakeControlPlane((request) =>
      request.path === "/api/v1/sessions/ses_1"
        ? { json: { ...SESSION, state: "ended", ...failure } }
        : answer(() => url, request),
    );
    url = plane.url;
    await loggedIn(folder, plane.url);
    installViewer(folder);
    const ended = await kerbside(folder, ["open", CONSOLE_A]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(
      "The console could not be opened: server.unreachable: connection refused.",
    );
  });

  it("writes the file when there is no display for a viewer", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    installViewer(folder);
    const ended = await kerbside(folder, ["open", CONSOLE_A], undefined, { DISPLAY: undefined });
    expect(ended).toMatchObject({ code: 0, stdout: "web_2J.vv\n" });
    expect(ended.stderr).toContain("There is no display here");
    expect(existsSync(folder.file("shown.vv"))).toBe(false);
  });

  it("works in one command that logs in for itself and out again", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    installViewer(folder);
    writeFileSync(folder.file("password"), "correct horse\n");
    const login = [
      "--url",
      plane.url,
      "--username",
      "admin",
      "--password-file",
      folder.file("password"),
    ];
    const ended = await kerbside(folder, ["open", CONSOLE_A, ...login]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(folder.file("shown.vv"), "utf8")).toBe(VV);
    expect(plane.heard.at(-1)?.path).toBe("/api/v1/auth/logout");
    expect(existsSync(folder.file("config"))).toBe(false);
  });

  it("writes the file when there is no viewer, and never over another", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const ended = await kerbside(folder, ["open", CONSOLE_A]);
    expect(ended).toMatchObject({ code: 0, stdout: "web_2J.vv\n" });
    expect(ended.stderr).toContain(`Open it before ${EXPIRES_AT}: remote-viewer web_2J.vv`);
    expect(readFileSync(folder.file("web_2J.vv"), "utf8")).toBe(VV);
    expect(statSync(folder.file("web_2J.vv")).mode & 0o777).toBe(0o600);
    const again = await kerbside(folder, ["open", CONSOLE_A]);
    expect(again).toMatchObject({
      code: 1,
      stderr: "web_2J.vv cannot be written: it exists; say --force to overwrite it.\n",
    });
    const forced = await kerbside(folder, ["open", CONSOLE_A, "--force"]);
    expect(forced.code).toBe(0);
  });

  it("writes to --output although there is a viewer", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    installViewer(folder);
    const ended = await kerbside(folder, ["open", CONSOLE_A, "--output", folder.file("mine.vv")]);
    expect(ended.code).toBe(0);
    expect(readFileSync(folder.file("mine.vv"), "utf8")).toBe(VV);
    expect(existsSync(folder.file("shown.vv"))).toBe(false);
  });

  it("lists the candidates of an ambiguous name and issues no ticket", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const ended = await kerbside(folder, ["open", "twin"]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("2 consoles are called twin; open one by its id:\n");
    expect(ended.stderr).toContain(CONSOLE_B);
    expect(plane.heard.some(({ path }) => path.includes("tickets"))).toBe(false);
  });

  it("says that nothing has that name, and that a viewer cannot be started", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const nobody = await kerbside(folder, ["open", "nobody"]);
    expect(nobody).toMatchObject({
      code: 1,
      stderr: "No console is called nobody. See them: kerbside consoles.\n",
    });
    const missing = join(folder.path, "no-viewer");
    const unstarted = await kerbside(folder, ["open", CONSOLE_A, "--viewer", missing]);
    expect(unstarted.code).toBe(1);
    expect(unstarted.stderr).toContain(`${missing} cannot be started: it does not exist.`);
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
    const unknown = await kerbside(folder, ["terminate", "../x"]);
    expect(unknown.code).toBe(1);
    expect(plane.heard.at(-1)?.path).toBe("/api/v1/sessions/..%2Fx/terminate");
  });

  it("adds a console with what was given and nothing else", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    writeFileSync(folder.file("ca.pem"), "PEM\n");
    writeFileSync(folder.file("secret"), "spice\n");
    const files = ["--ca-file", folder.file("ca.pem"), "--password-file", folder.file("secret")];
    const ended = await kerbside(folder, [
      "console",
      "add",
      "--name",
      "web",
      "--host",
      "hv1",
      "--tls-port",
      "5901",
      "--host-subject",
      "CN=hv1",
      ...files,
    ]);
    expect(ended).toMatchObject({ code: 0, stdout: `${CONSOLE_A}\n` });
    expect(plane.heard.at(-1)?.body).toEqual({
      name: "web",
      host: "hv1",
      tlsPort: 5901,
      ca: "PEM\n",
      password: "spice",
      hostSubject: "CN=hv1",
    });
  });

  it("makes a join token", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const ended = await kerbside(folder, ["join-token", "create"]);
    expect(ended).toMatchObject({ code: 0, stdout: "kjt_1\n" });
  });
});

describe("kerbside relay", () => {
  it("enrols, refuses to enrol over it, and a run passes signals and exit code through", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startFakeControlPlane(({ body }) =>
      answerEnrolment(plane.url, (body as { csr: string }).csr),
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
