/** The ways out: plain, TLS, through a proxy; IPv4, IPv6 and names; and how each can fail. */
import type { LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import { beforeAll, describe, expect, it } from "vitest";
import type { Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type DialOptions, dialTarget } from "../../../relay/handshake/dial.ts";
import type { DialRoute } from "../../../relay/sessions/ports.ts";
import { eventually } from "../../harness/deadline.ts";
import { startFakeProxy } from "../../harness/relay/fake-http-proxy.ts";
import {
  type FakeSpiceServer,
  startFakeServer,
  targetOf,
} from "../../harness/relay/fake-spice-server.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";
import { makeIdentity, type TestIdentity } from "../../harness/relay/test-identity.ts";

let identity: TestIdentity;
let namedIdentity: TestIdentity;

beforeAll(async () => {
  identity = await makeIdentity({ dnsNames: ["localhost"], ipAddresses: ["127.0.0.1", "::1"] });
  namedIdentity = await makeIdentity({ dnsNames: ["hv1.example.test"], ipAddresses: [] });
});

/** What Proxmox signs and puts in the place of a host. */
const PSEUDO_HOST = `pvespiceproxy:6921d3aa:101:pve1::${"0f".repeat(20)}`;

async function dial(
  route: DialRoute,
  options: Partial<DialOptions> = {},
): Promise<Result<Duplex, Failure>> {
  return dialTarget(route, {
    deadlineMs: 5_000,
    keepAliveIdleMs: 30_000,
    signal: new AbortController().signal,
    ...options,
  });
}

async function dialled(route: DialRoute): Promise<SocketPeer> {
  const result = await dial(route);
  if (!result.ok) {
    throw new Error(`${result.error.code}: ${result.error.detail}`);
  }
  return new SocketPeer(result.value);
}

/** A server that sends back what it gets, behind TLS when given an identity. */
async function startEcho(tls?: TestIdentity, host?: string): Promise<FakeSpiceServer> {
  return startFakeServer({
    ...(tls === undefined ? {} : { tls }),
    ...(host === undefined ? {} : { host }),
    onConnection: ({ stream }) => {
      stream.pipe(stream);
    },
  });
}

async function expectEcho(peer: SocketPeer): Promise<void> {
  peer.send(Buffer.from("REDQ"));
  expect((await peer.read(4)).toString()).toBe("REDQ");
  peer.stream.end();
  await peer.untilClosed();
}

describe("a server", () => {
  it.each([
    ["IPv4", "127.0.0.1", "127.0.0.1"],
    ["IPv6", "::1", "::1"],
    ["a name", "127.0.0.1", "localhost"],
  ])("is reached over %s, plain and in TLS", async (_name, address, host) => {
    await using plain = await startEcho(undefined, address);
    await expectEcho(await dialled(targetOf(plain, { host })));
    await using secured = await startEcho(identity, address);
    const tls = { host, port: null, tlsPort: secured.port, ca: identity.ca };
    await expectEcho(await dialled(targetOf(secured, tls)));
  });

  it.each(["127.0.0.1", "::1"])(
    "is reached at the one of its addresses that answers: %s",
    async (address) => {
      await using server = await startEcho(undefined, address);
      const addresses = [
        { address: "::1", family: 6 },
        { address: "127.0.0.1", family: 4 },
      ];
      const lookup: LookupFunction = (_name, _options, done) => {
        done(null, addresses);
      };
      const result = await dial(targetOf(server, { host: "hv1.example.test" }), { lookup });
      if (!result.ok) {
        throw new Error(result.error.detail);
      }
      await expectEcho(new SocketPeer(result.value));
    },
  );

  it("is never reached in the plain when it has a TLS port", async () => {
    await using plain = await startEcho();
    await using notTls = await startEcho();
    const target = targetOf(plain, { tlsPort: notTls.port, ca: identity.ca });
    const result = await dial(target);
    const detail = "the server does not speak TLS: is it the plain port?";
    expect(result).toEqual({ ok: false, error: { code: "server.tls-failed", detail } });
    expect(plain.connectionCount).toBe(0);
  });

  it("is not dialled any more when nobody waits for it", async () => {
    await using server = await startEcho();
    const result = await dial(targetOf(server), { signal: AbortSignal.abort() });
    expect(result).toMatchObject({ ok: false, error: { code: "server.unreachable" } });
    expect(server.connectionCount).toBe(0);
  });

  it("whose name is another one is not named in the failure", async () => {
    await using server = await startEcho(namedIdentity);
    const proxy = await startFakeProxy({ port: server.port });
    const target = targetOf(server, {
      host: PSEUDO_HOST,
      tlsPort: server.port,
      ca: namedIdentity.ca,
      proxy: `http://127.0.0.1:${proxy.port}`,
    });
    const result = await dial(target);
    expect(result).toMatchObject({ ok: false, error: { code: "server.tls-failed" } });
    expect(JSON.stringify(result)).not.toContain("pvespiceproxy");
    await proxy[Symbol.asyncDispose]();
  });
});

describe("a server behind an HTTP proxy", () => {
  it.each([
    ["HTTP/1.0 without any header", "HTTP/1.0 200 OK\r\n\r\n"],
    ["HTTP/1.1 with headers", "HTTP/1.1 200 Connection established\r\nVia: 1.1 squid\r\n\r\n"],
    ["HTTP/1.1 without a reason", "HTTP/1.1 200 \r\n\r\n"],
  ])("is reached in TLS after %s, whole or a byte at a time", async (_name, answer) => {
    await using server = await startEcho(namedIdentity);
    for (const isDribbled of [false, true]) {
      await using proxy = await startFakeProxy({ port: server.port, answer, isDribbled });
      const target = targetOf(server, {
        host: PSEUDO_HOST,
        port: null,
        tlsPort: server.port,
        ca: namedIdentity.ca,
        hostSubject: namedIdentity.hostSubject,
        proxy: `http://127.0.0.1:${proxy.port}`,
      });
      await expectEcho(await dialled(target));
      const [head = ""] = proxy.heads;
      const authority = `${PSEUDO_HOST}:${server.port}`;
      expect(head.split("\r\n")[0]).toBe(`CONNECT ${authority} HTTP/1.1`);
      expect(head.match(/^host: .*$/gim)).toEqual([`Host: ${authority}`]);
      expect(head).not.toContain("Proxy-Authorization");
    }
  });

  it("is reached in the plain, by a proxy on IPv6 that wants a password", async () => {
    await using server = await startEcho();
    await using proxy = await startFakeProxy({ port: server.port, host: "::1" });
    const target = targetOf(server, {
      host: "2001:db8::7",
      port: 5900,
      proxy: `http://us%40er:p%3Ass@[::1]:${proxy.port}`,
    });
    await expectEcho(await dialled(target));
    const [head = ""] = proxy.heads;
    expect(head).toContain("\r\nHost: [2001:db8::7]:5900\r\n");
    const credentials = Buffer.from("us@er:p:ss").toString("base64");
    expect(head).toContain(`\r\nProxy-Authorization: Basic ${credentials}\r\n`);
  });

  it.each([
    ["refuses", "HTTP/1.1 401 invalid ticket\r\n\r\n", "the proxy answered 401 invalid ticket"],
    [
      "wants a password",
      "HTTP/1.0 407 X\u0007\u00e9\r\nContent-Length: 3\r\n\r\nabc",
      "answered 407",
    ],
    ["redirects", "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "the proxy answered 302 Found"],
    ["is SPICE", "REDQ\u0002\u0000\u0000\u0000", "no HTTP answer"],
    [
      "talks without an end",
      `HTTP/1.1 200 OK\r\nX: ${"y".repeat(20_000)}\r\n\r\n`,
      "no HTTP answer",
    ],
    ["speaks for the server", "HTTP/1.0 200 OK\r\n\r\nREDQ", "unasked bytes"],
    ["dribbles nonsense", "HTTP/9.9 200 OK\r\n\r\n", "no HTTP answer"],
  ])("is refused when the proxy %s", async (_name, answer, detail) => {
    await using server = await startEcho();
    await using proxy = await startFakeProxy({ port: null, answer });
    const credentials = "user:sekret-word";
    const target = targetOf(server, { proxy: `http://${credentials}@127.0.0.1:${proxy.port}` });
    const result = await dial(target);
    expect(result).toMatchObject({ ok: false, error: { code: "server.proxy-refused" } });
    expect(result.ok ? "" : result.error.detail).toContain(detail);
    expect(JSON.stringify(result)).not.toContain("sekret-word");
    await eventually("no socket", () => (proxy.sockets.size === 0 ? true : null));
    expect(server.connectionCount).toBe(0);
  });

  it.each(["", "HTTP/1.0 401 inv", "HTTP/1.0 200 OK\r\n"])(
    "is refused when the proxy closes after %j",
    async (answer) => {
      await using proxy = await startFakeProxy({ port: null, answer, closes: true });
      const target = targetOf({ port: 5900 }, { proxy: `http://127.0.0.1:${proxy.port}` });
      const result = await dial(target);
      expect(result).toMatchObject({ ok: false, error: { code: "server.proxy-refused" } });
    },
  );

  it.each([
    "https://127.0.0.1:3128",
    "http://",
    "127.0.0.1:3128",
    "http://127.0.0.1:3128/path",
    "http://127.0.0.1:3128?x",
    "http://%ff@127.0.0.1:3128",
    "socks5://127.0.0.1:1080",
  ])("is never dialled directly for the proxy %j", async (proxy) => {
    await using server = await startEcho();
    const result = await dial(targetOf(server, { proxy }));
    expect(result).toMatchObject({ ok: false, error: { code: "server.proxy-refused" } });
    expect(server.connectionCount).toBe(0);
  });

  it("is unreachable when its proxy is", async () => {
    await using server = await startEcho();
    const proxy = await startFakeProxy({ port: null });
    const { port } = proxy;
    await proxy[Symbol.asyncDispose]();
    const result = await dial(targetOf(server, { proxy: `http://127.0.0.1:${port}` }));
    const why = `nothing listens there (ECONNREFUSED 127.0.0.1:${port})`;
    const detail = `the console's proxy cannot be reached: ${why}`;
    expect(result).toEqual({ ok: false, error: { code: "server.unreachable", detail } });
    expect(server.connectionCount).toBe(0);
  });

  it.each(["host\r\nX: y", "a b", "\u{1f600}"])("cannot be asked for as %j", async (host) => {
    await using proxy = await startFakeProxy({ port: null });
    const result = await dial(
      targetOf({ port: 1 }, { host, proxy: `http://127.0.0.1:${proxy.port}` }),
    );
    expect(result).toMatchObject({ ok: false, error: { code: "server.proxy-refused" } });
    expect(proxy.heads).toEqual([]);
  });
});

describe("a dial that stalls", () => {
  /** Whatever may answer never does. */
  const stages = ["the proxy", "TLS", "TLS behind the proxy"] as const;

  it.each(stages)("at %s ends by the deadline, and by an abort, and leaves nothing", async (at) => {
    await using mute = await startFakeServer({ onConnection: () => {} });
    await using proxy = await startFakeProxy({
      port: null,
      answer: at === "the proxy" ? "HTTP/1.0 2" : "HTTP/1.0 200 OK\r\n\r\n",
    });
    const target = targetOf(mute, {
      tlsPort: mute.port,
      ca: identity.ca,
      proxy: at === "TLS" ? null : `http://127.0.0.1:${proxy.port}`,
    });
    const late = await dial(target, { deadlineMs: 60 });
    expect(late).toMatchObject({ ok: false, error: { code: "server.deadline" } });
    const leave = new AbortController();
    // One that was late on a busy machine may not have come so far.
    const countDials = () => mute.connectionCount + proxy.heads.length;
    const before = countDials();
    const aborted = dial(target, { signal: leave.signal });
    await eventually("the dial", () => (countDials() > before ? true : null));
    leave.abort();
    expect(await aborted).toMatchObject({ ok: false, error: { code: "server.unreachable" } });
    mute.closeAbandoned();
    await eventually("no socket", () =>
      mute.sockets.size + proxy.sockets.size === 0 ? true : null,
    );
  });

  it("does not name a host that does not resolve: it may be a credential", async () => {
    const host = "pvespiceproxy:4242:100:node::secret";
    const lookup: LookupFunction = (hostname, _options, done) => {
      const code = "ENOTFOUND";
      done(Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { code, hostname }), "");
    };
    await using server = await startFakeServer();
    const result = await dial(targetOf(server, { host }), { lookup });
    expect(result).toEqual({
      ok: false,
      error: {
        code: "server.unreachable",
        detail: "the server's name does not resolve: ENOTFOUND",
      },
    });
  });

  it("at the name ends by the deadline, and by an abort", async () => {
    const lookup: LookupFunction = () => {};
    const target = targetOf({ port: 5900 }, { host: "hv1.example.test" });
    const late = await dial(target, { deadlineMs: 30, lookup });
    expect(late).toMatchObject({ ok: false, error: { code: "server.deadline" } });
    const leave = new AbortController();
    const aborted = dial(target, { signal: leave.signal, lookup });
    leave.abort();
    expect(await aborted).toMatchObject({ ok: false, error: { code: "server.unreachable" } });
  });
});

describe("a stream that was dialled", () => {
  it.each([
    ["plain", false, false],
    ["TLS", true, false],
    ["plain behind a proxy", false, true],
    ["TLS behind a proxy", true, true],
  ])("keeps nothing of its dialling: %s", async (_name, isTls, isProxied) => {
    await using server = await startEcho(isTls ? identity : undefined);
    await using proxy = await startFakeProxy({ port: server.port });
    const target = targetOf(server, {
      port: isTls ? null : server.port,
      tlsPort: isTls ? server.port : null,
      ca: identity.ca,
      proxy: isProxied ? `http://127.0.0.1:${proxy.port}` : null,
    });
    const leave = new AbortController();
    const result = await dial(target, { signal: leave.signal });
    if (!result.ok) {
      throw new Error(result.error.detail);
    }
    const stream = result.value;
    // Once it is handed over, neither an abort nor a broken connection may throw or reach the dial.
    leave.abort();
    expect(stream.destroyed).toBe(false);
    expect(stream.listenerCount("connect") + stream.listenerCount("secureConnect")).toBe(0);
    const closed = new Promise<void>((resolve) => {
      stream.once("close", () => {
        resolve();
      });
    });
    stream.destroy(new Error("ECONNRESET"));
    await closed;
  });
});
