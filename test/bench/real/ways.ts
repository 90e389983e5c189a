/**
 * The ways by which a client reaches one server: plainly, through HAProxy, through the relay. Each
 * is entered anew for every measurement, because a server of SPICE has one client at a time.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { connect as connectPlain } from "node:net";
import { runToEnd } from "../../harness/child-process.ts";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import type { SpiceGtkOptions } from "../../harness/spice-gtk-client.ts";
import type { TestStack } from "../../harness/stack.ts";
import { openEntrance, type WayIn } from "../../harness/ways-in.ts";
import { isPinning } from "../relay/cores.ts";
import type { RunningHaproxy } from "../relay/haproxy.ts";

export const WAY_NAMES = ["direct", "direct TLS", "haproxy", "relay", "relay CONNECT"] as const;
export type WayName = (typeof WAY_NAMES)[number];

/** What a client must be told. Its end waits until the way is free again. */
export interface Entry extends AsyncDisposable {
  readonly options: SpiceGtkOptions;
  /** One connection for a client that says the SPICE link itself, and what its ticket says. */
  connect(): Promise<FakeSpiceClient>;
  readonly password: string;
}

export interface Way {
  readonly name: WayName;
  /** The process that carries the bytes, with its children; null for none. */
  readonly proxyPid: number | null;
  enter(): Promise<Entry>;
}

/** A server with a plain port and a TLS port on loopback. */
export interface RealServer {
  readonly port: number;
  readonly tlsPort: number;
  readonly caFile: string;
  readonly ca: string;
  /** Null lets everybody in. */
  readonly password: string | null;
}

/** All ways to a server, in the order of `WAY_NAMES`. The relay and HAProxy reach it plainly. */
export async function waysTo(
  server: RealServer,
  through: { readonly stack: TestStack; readonly haproxy: RunningHaproxy; readonly name: string },
): Promise<readonly Way[]> {
  const { stack, haproxy, name } = through;
  const { password } = server;
  const secret = password === null ? {} : { password };
  const consoleId = await stack.createConsole(name, { port: server.port, ...secret });
  const relayWay = (wayName: WayName, way: WayIn): Way => ({
    name: wayName,
    proxyPid: stack.relay.pid,
    enter: () => enterRelay(stack, consoleId, way),
  });
  const plainWay = (wayName: WayName, proxyPid: number | null, options: SpiceGtkOptions): Way => ({
    name: wayName,
    proxyPid,
    enter: async () => ({
      options: { host: "127.0.0.1", ...secret, ...options },
      password: password ?? "",
      connect: () => connectDirectly(options, server.ca),
      [Symbol.asyncDispose]: async () => {},
    }),
  });
  const { caFile } = server;
  return [
    plainWay("direct", null, { port: server.port }),
    plainWay("direct TLS", null, { tlsPort: server.tlsPort, caFile }),
    plainWay("haproxy", haproxy.pid, { tlsPort: haproxy.port, caFile }),
    relayWay("relay", "tls"),
    relayWay("relay CONNECT", "connect"),
  ];
}

/** Puts a process and its children on the core that the benchmark gives to proxies. */
export async function pinToProxyCore(pid: number): Promise<void> {
  if (!isPinning()) {
    return;
  }
  const core = String(availableParallelism() - 1);
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  for (const one of [String(pid), ...children.split(" ").filter((word) => word !== "")]) {
    const pinned = await runToEnd({ command: "taskset", args: ["-a", "-c", "-p", core, one] });
    if (pinned.code !== 0) {
      throw new Error(`taskset: ${pinned.stderr}`);
    }
  }
}

async function connectDirectly(options: SpiceGtkOptions, ca: string): Promise<FakeSpiceClient> {
  if (options.tlsPort !== undefined) {
    return await FakeSpiceClient.connect(options.tlsPort, ca);
  }
  const socket = connectPlain({ host: "127.0.0.1", port: options.port ?? 0 });
  await once(socket, "connect");
  return new FakeSpiceClient(socket);
}

async function enterRelay(stack: TestStack, consoleId: string, way: WayIn): Promise<Entry> {
  const entrance = await openEntrance(stack, consoleId, way);
  return {
    options: entrance.options,
    password: entrance.vv.password,
    connect: () => entrance.connect(),
    [Symbol.asyncDispose]: async () => {
      // A console has one viewer: the next one is refused until the relay has seen this one leave.
      await stack.sessionIn(entrance.ticket.sessionId, "ended");
      await entrance[Symbol.asyncDispose]();
    },
  };
}
