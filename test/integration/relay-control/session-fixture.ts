/** A session of a relay's process whose hub is the fake one, and its operator's command line. */
import { connect } from "node:tls";
import { expect } from "vitest";
import type { Welcome } from "#shared/control/contract.ts";
import { runKerbside } from "../../../relay/cli/kerbside.ts";
import {
  type FakeControl,
  type IssueOptions,
  makeControlWithWelcome,
} from "../../harness/relay/fake-control.ts";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import {
  type FakeSpiceServer,
  MAIN_INIT_MESSAGE_BYTES,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import { enrol, RelayProcess } from "./enrolled-relay.ts";
import { type FakeHub, startFakeHub } from "./fake-hub.ts";

export type HubSocket = Awaited<ReturnType<FakeHub["nextSocket"]>>;

/** A relay's process that its hub has welcomed, and what it needs. */
export interface LinkedProcess extends AsyncDisposable {
  readonly control: FakeControl;
  /** As it was given. */
  readonly welcome: Partial<Welcome>;
  readonly server: FakeSpiceServer;
  readonly folder: TempFolder;
  readonly hub: FakeHub;
  readonly relay: RelayProcess;
  readonly socket: HubSocket;
  readonly tlsPort: number;
}

/** @param wanted in what the welcome differs from the fake control plane's */
export async function startLinkedProcess(wanted: Partial<Welcome> = {}): Promise<LinkedProcess> {
  await using started = new AsyncDisposableStack();
  const { control, welcome: plain } = await makeControlWithWelcome();
  const welcome = { ...plain, ...wanted };
  const server = started.use(await startFakeServer());
  const folder = started.use(await makeTempFolder());
  const hub = started.use(await startFakeHub());
  await enrol(folder.path, hub);
  const relay = started.use(new RelayProcess(folder.path));
  const socket = await hub.nextSocket();
  await socket.welcome(welcome);
  await socket.storeEvents();
  const { tlsPort } = await relay.ready();
  const all = started.move();
  return {
    ...{ control, welcome, server, folder, hub, relay, socket, tlsPort },
    [Symbol.asyncDispose]: async () => await all.disposeAsync(),
  };
}

/** A linked relay with one living session. */
export async function openSession(parts: {
  readonly socket: HubSocket;
  readonly control: FakeControl;
  readonly server: FakeSpiceServer;
  readonly tlsPort: number;
  readonly issue?: IssueOptions;
}) {
  const { socket, control, server, tlsPort } = parts;
  const issued = await control.issue({ ...parts.issue, target: { port: server.port } });
  socket.send({ type: "push", seq: 1, command: { kind: "grant", grant: issued.grant } });
  expect(await socket.until("ack")).toMatchObject({ refusal: null });
  const client = await connectTo(tlsPort);
  expect(await client.link(issued.ticket)).toBe("OK");
  const served = await server.nextChannel();
  await client.read(MAIN_INIT_MESSAGE_BYTES);
  return { issued, client, served };
}

/** The fake authority's certificate names no address, so it is not checked. */
export async function connectTo(port: number): Promise<FakeSpiceClient> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      resolve(new FakeSpiceClient(socket));
    });
    socket.once("error", reject);
  });
}

/** Events until one of this type, each message acknowledged. */
export async function untilEvent(socket: HubSocket, type: string) {
  for (;;) {
    const { events } = await socket.storeEvents();
    const found = events.find(({ event }) => event.type === type);
    if (found !== undefined) {
      return found.event;
    }
  }
}

/** Runs one command of the CLI. */
export async function kerbside(...args: string[]): Promise<{ code: number; said: string }> {
  let said = "";
  const say = (text: string): void => void (said += text);
  const environment = {
    loginFile: "/nonexistent",
    url: null,
    password: null,
    searchPath: [],
    hasDisplay: false,
  };
  const untilInterrupted = () => new AbortController().signal;
  const code = await runKerbside(args, { environment, print: say, note: say, untilInterrupted });
  return { code, said };
}
