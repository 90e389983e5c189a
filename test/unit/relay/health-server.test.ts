/** Metrics and health: what they answer, and that their troubles are nobody else's. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Server } from "node:net";
import { expect, it } from "vitest";
import { type HealthServer, startHealthServer } from "../../../relay/telemetry/health-server.ts";

const HEALTH = { status: "serving", linked: false, sessions: 1, channels: 2 } as const;

/** The health server with the socket server under it, which it does not hand out. */
async function start(): Promise<{ readonly health: HealthServer; readonly server: Server }> {
  const servers: Server[] = [];
  const onListen = (message: unknown): void => {
    servers.push((message as { readonly server: Server }).server);
  };
  const name = "tracing:net.server.listen:asyncStart";
  subscribe(name, onListen);
  const health = await startHealthServer({
    port: 0,
    metrics: async () => "# none\n",
    health: () => HEALTH,
  });
  unsubscribe(name, onListen);
  const [server] = servers;
  if (server === undefined) {
    throw new Error("no server was seen to listen");
  }
  return { health, server };
}

it("goes on when a connection cannot be accepted, instead of ending the process", async () => {
  const { health, server } = await start();
  try {
    expect(() => server.emit("error", new Error("accept EMFILE"))).not.toThrow();
    const answer = await fetch(`http://127.0.0.1:${health.port}/healthz`);
    expect(await answer.json()).toEqual(HEALTH);
  } finally {
    health.close();
  }
});

it("answers 404 and 405 to what it does not serve", async () => {
  const { health } = await start();
  try {
    const base = `http://127.0.0.1:${health.port}`;
    expect((await fetch(`${base}/other`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: "POST" })).status).toBe(405);
  } finally {
    health.close();
  }
});
