/** HAProxy as the yardstick: one thread, TLS towards the client, plain towards the server. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type RunningChild, startChild } from "../../harness/child-process.ts";
import { eventually } from "../../harness/deadline.ts";
import { freePort } from "../../harness/stack.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { connect } from "node:net";
import { pinned } from "./cores.ts";

export interface RunningHaproxy extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

export function hasHaproxy(): boolean {
  return existsSync(HAPROXY);
}

/** Starts it in front of one server, with the relay's own certificate. */
export async function startHaproxy(options: {
  readonly cert: string;
  readonly key: string;
  readonly serverPort: number;
}): Promise<RunningHaproxy> {
  const folder = await makeTempFolder();
  const port = await freePort();
  await writeFile(folder.file("tls.pem"), `${options.cert}\n${options.key}`);
  const configuration = [
    "global",
    "  nbthread 1",
    `  maxconn ${CONNECTIONS_MAX}`,
    "defaults",
    "  mode tcp",
    "  timeout connect 5s",
    "  timeout client 1h",
    "  timeout server 1h",
    "listen bench",
    `  bind 127.0.0.1:${port} ssl crt ${folder.file("tls.pem")}`,
    `  server spice 127.0.0.1:${options.serverPort}`,
    "",
  ].join("\n");
  await writeFile(folder.file("haproxy.cfg"), configuration);
  const child = startChild(pinned(HAPROXY, ["-db", "-f", folder.file("haproxy.cfg")], "proxy"));
  await eventually("HAProxy listens", () => isReachable(child, port));
  return {
    pid: child.pid,
    port,
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function isReachable(child: RunningChild, port: number): Promise<true | null> {
  if (child.isExited) {
    throw new Error(`HAProxy ended: ${child.output("stderr")}`);
  }
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("error", () => {
      resolve(null);
    });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

const HAPROXY = "/usr/sbin/haproxy";
const CONNECTIONS_MAX = 1_000;
