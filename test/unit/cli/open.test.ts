/** Opening and adding consoles with the kerbside command. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ERRORS } from "#shared/errors/catalogue.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { problem, startFakeControlPlane } from "../relay-control/fake-control-plane.ts";
import { answer, CONSOLE_A, CONSOLE_B, EXPIRES_AT, SESSION, VV } from "./fake-answers.ts";
import { installViewer, kerbside, loggedIn, startPlane } from "./kerbside-command.ts";

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
    const file = plane.heard.findIndex((request) => request.path === "/api/v1/vv/one-time");
    expect(plane.heard[file]).toMatchObject({ token: null });
    expect(plane.heard[file - 1]?.body).toEqual({ way: "tls" });
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

  it("says why a session ended that was open, and passes the viewer's exit code on", async () => {
    await using folder = await makeTempFolder();
    let url = "";
    let asked = 0;
    await using plane = await startFakeControlPlane((request) => {
      if (request.path !== "/api/v1/sessions/ses_1") {
        return answer(() => url, request);
      }
      // The relay's report comes a moment after the viewer has ended.
      asked += 1;
      const ended = { state: "ended", endReason: "taken-over", endDetail: null };
      return { json: { ...SESSION, ...(asked === 1 ? {} : ended) } };
    });
    url = plane.url;
    await loggedIn(folder, plane.url);
    installViewer(folder, 7);
    expect(await kerbside(folder, ["open", CONSOLE_A])).toMatchObject({
      code: 7,
      stderr: "Another session opened this console and took it over.\n",
    });
  });

  it("says since when somebody has the console, and how to end that", async () => {
    await using folder = await makeTempFolder();
    let url = "";
    await using plane = await startFakeControlPlane((request) =>
      request.path.endsWith("/tickets")
        ? problem(409, "console.in-use", "You have it open since then.")
        : answer(() => url, request),
    );
    url = plane.url;
    await loggedIn(folder, plane.url);
    const refused = await kerbside(folder, ["open", CONSOLE_A]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("You have it open since then.");
  });

  it("asks for the way in that is wanted, and for no other", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const wrong = await kerbside(folder, ["open", CONSOLE_A, "--way", "tunnel"]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("tls or connect") });
    await kerbside(folder, ["open", CONSOLE_A, "--way", "connect"]);
    const asked = plane.heard.filter(({ path }) => path.endsWith("/tickets"));
    expect(asked.map(({ body }) => body)).toEqual([{ way: "connect" }]);
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
    expect(ended.stderr).toContain("virt-viewer");
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
    // Where viewers come from is for those who got a file in a viewer's place.
    const path = folder.file("mine.vv");
    expect(ended.stderr).toBe(`Open it before ${EXPIRES_AT}: remote-viewer ${path}\n`);
    expect(readFileSync(folder.file("mine.vv"), "utf8")).toBe(VV);
    expect(existsSync(folder.file("shown.vv"))).toBe(false);
  });

  it("lists the candidates of an ambiguous name and issues no ticket", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const ended = await kerbside(folder, ["open", "twin"]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(
      "2 consoles are called twin; name the one that is meant by its id:\n",
    );
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
      stderr: "No console is called nobody. See them: npx kerbside consoles.\n",
    });
    const missing = join(folder.path, "no-viewer");
    const unstarted = await kerbside(folder, ["open", CONSOLE_A, "--viewer", missing]);
    expect(unstarted.code).toBe(1);
    expect(unstarted.stderr).toContain(`${missing} cannot be started: it does not exist.`);
    const unknown = await kerbside(folder, ["open", CONSOLE_A, "--viewer", "no-viewer"]);
    expect(unknown.stderr).toContain("no-viewer cannot be started: no folder of PATH has it.");
    expect(plane.heard.some(({ path }) => path.includes("tickets"))).toBe(false);
  });

  it("says that a file cannot be written before it takes a ticket", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const refused = async (output: string) =>
      (await kerbside(folder, ["open", CONSOLE_A, "--output", output])).stderr;
    expect(await refused("/nope/x.vv")).toBe("The folder /nope does not exist.\n");
    writeFileSync(folder.file("taken"), "");
    const inFile = join(folder.file("taken"), "x.vv");
    expect(await refused(inFile)).toBe(`${folder.file("taken")} is not a folder.\n`);
    expect(await refused("taken")).toContain("taken cannot be written: it exists");
    expect(plane.heard.some(({ path }) => path.includes("tickets"))).toBe(false);
  });

  it("says why no relay can take it, and nothing more general", async () => {
    await using folder = await makeTempFolder();
    let url = "";
    const { hint } = ERRORS["console.no-relay"];
    await using plane = await startFakeControlPlane((request) =>
      request.path.endsWith("/tickets")
        ? problem(503, "console.no-relay", hint, "No relay is online.")
        : answer(() => url, request),
    );
    url = plane.url;
    await loggedIn(folder, plane.url);
    const refused = await kerbside(folder, ["open", CONSOLE_A]);
    const sentence = "No relay is online. (console.no-relay, request req_1)\n";
    expect(refused).toMatchObject({ code: 1, stderr: sentence });
  });
});

describe("kerbside console add", () => {
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

  it("warns of a name that another console has", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    const target = ["--name", "twin", "--host", "hv1", "--port", "5900"];
    expect(await kerbside(folder, ["console", "add", ...target])).toMatchObject({
      code: 0,
      stdout: `${CONSOLE_A}\n`,
      stderr:
        "Added twin.\nWarning: another console is called twin already. " +
        "Open each by its id: npx kerbside open ID.\n",
    });
  });

  it("warns of rules that no relay can enforce", async () => {
    await using folder = await makeTempFolder();
    let url = "";
    const warnings = [{ rule: "input", message: "no relay can" }];
    const added = { id: CONSOLE_A, name: "web", source: "static", warnings };
    await using plane = await startFakeControlPlane((request) =>
      request.method === "POST" && request.path === "/api/v1/consoles"
        ? { status: 201, json: added }
        : answer(() => url, request),
    );
    url = plane.url;
    await loggedIn(folder, plane.url);
    const target = ["--name", "web", "--host", "hv1", "--port", "5900", "--input", "deny"];
    expect(await kerbside(folder, ["console", "add", ...target])).toMatchObject({
      code: 0,
      stdout: `${CONSOLE_A}\n`,
      stderr: "Added web.\nWarning: input: no relay can\n",
    });
  });

  it("adds a console with a proxy and a policy: flags win over the file", async () => {
    await using folder = await makeTempFolder();
    await using plane = await startPlane();
    await loggedIn(folder, plane.url);
    writeFileSync(folder.file("policy.json"), '{"idleS": 60, "firewall": "observe"}');
    const target = ["--name", "web", "--host", "hv1", "--port", "5900"];
    const policy = ["--policy", folder.file("policy.json"), "--idle", "15m"];
    const proxy = ["--proxy", "http://pve:3128", "--second-viewer", "take-over"];
    await kerbside(folder, ["console", "add", ...target, ...policy, ...proxy]);
    expect(plane.heard.at(-1)?.body).toEqual({
      name: "web",
      host: "hv1",
      port: 5900,
      proxy: "http://pve:3128",
      policy: { idleS: 900, firewall: "observe", secondViewer: "take-over" },
    });
    const wrong = await kerbside(folder, ["console", "add", ...target, "--idle", "soon"]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("--idle") });
  });
});
