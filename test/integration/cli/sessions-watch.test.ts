/**
 * `kerbside sessions watch` as people run it, against the Worker in workerd with a linked relay: over
 * a connection that breaks, until Ctrl-C, and until the login ends.
 */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeLogin } from "../../../relay/cli/login-file.ts";
import { type RunningChild, startChild } from "../../harness/child-process.ts";
import { ControlClient } from "../../harness/control-client.ts";
import { LinkedRelay } from "../../harness/linked-relay.ts";
import { type LocalControl, startLocalControl } from "../../harness/local-control.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import { environment, LAUNCH } from "../../unit/cli/kerbside-command.ts";

const PASSWORD = "correct horse battery";
let control: LocalControl;
let client: ControlClient;
let folder: TempFolder;
let relay: LinkedRelay;

beforeAll(async () => {
  control = await startLocalControl();
  await control.makeUser("root", PASSWORD, "admin");
  client = new ControlClient(control.url);
  await client.logIn("root", PASSWORD);
  folder = await makeTempFolder();
  relay = await LinkedRelay.start(client, folder.file("relay"));
}, 60_000);

afterAll(async () => {
  await relay?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
  await control?.[Symbol.asyncDispose]();
});

function watch(args: readonly string[], home = folder): RunningChild {
  const command = { command: process.execPath, args: [LAUNCH, "sessions", "watch", ...args] };
  return startChild({ ...command, env: environment(home, PASSWORD), cwd: home.path });
}

/** A new session, which nobody opens. */
async function order(name: string): Promise<string> {
  const ticket = await client.requestTicket(await client.createConsole(name, { port: 1 }));
  return ticket.sessionId;
}

/** A way to the control plane that can be cut, and then lets nobody through until it is mended. */
async function startCuttableWay(port: number) {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((socket) => {
    if (isCut) {
      socket.destroy();
      return;
    }
    const onward = connect(port, "127.0.0.1");
    for (const [one, another] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(one);
      one.on("error", () => another.destroy());
      one.on("close", () => another.destroy());
      one.pipe(another);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: (): void => {
      isCut = false;
    },
    [Symbol.dispose]: () => {
      cut();
      server.close();
    },
  };
}

it("tells what changes, also while its connection is lost, until Ctrl-C", async () => {
  using way = await startCuttableWay(Number(new URL(control.url).port));
  const first = await order("first");
  await using watcher = watch(["--json", "--url", way.url, "--username", "root"]);
  await watcher.waitForOutput("stdout", new RegExp(`^{"id":"${first}","state":"pending".*\\n`));
  way.cut();
  await watcher.waitForOutput("stderr", /The connection to the control plane was lost\. Trying/);
  const second = await order("second");
  await client.call("POST", `/sessions/${first}/terminate`);
  way.mend();
  await watcher.waitForOutput("stdout", new RegExp(`"id":"${second}","state":"pending"`));
  await watcher.waitForOutput("stdout", new RegExp(`"id":"${first}",.*"endRequest":{"at"`));
  await watcher.waitForOutput("stderr", /\nFollowing again\.\n$/);
  // A terminal sends it to the launcher and to the command, which the launcher sends it to as well.
  watcher.signal("SIGINT");
  watcher.signal("SIGINT");
  expect(await watcher.waitForExit()).toEqual({ code: 0, signal: null });
}, 60_000);

it("is told that its login has ended", { timeout: 60_000 }, async () => {
  await using home = await makeTempFolder();
  const own = new ControlClient(control.url);
  const login = await own.call("POST", "/auth/login", { username: "root", password: PASSWORD });
  const { token, expiresAt } = login.json as { token: string; expiresAt: string };
  const stored = { url: control.url, token, expiresAt };
  await writeLogin(home.file("config/kerbside/login.json"), stored);
  await using watcher = watch([], home);
  await watcher.waitForOutput("stdout", /^SINCE +ID +CONSOLE /);
  const headers = { authorization: `Bearer ${token}` };
  await fetch(`${control.url}/api/v1/auth/logout`, { method: "POST", headers });
  expect(await watcher.waitForExit(40_000)).toEqual({ code: 1, signal: null });
  expect(watcher.output("stderr")).toBe(
    "Your login has ended, or may see less than before. Log in again: npx kerbside login.\n",
  );
});
