/**
 * Mutation fuzz of the HTTP heads that the relay reads, from a small corpus. Whatever comes, one
 * arrival has exactly one outcome out of a short list, its stream closes, nothing throws, and no
 * answer repeats what was asked for. Seeds are fixed and the number of rounds bounds it.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { type Duplex, duplexPair } from "node:stream";
import type { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { ok } from "#shared/base/result.ts";
import { withLimits } from "../../../relay/limits.ts";
import { Arrival, type ArrivalOutcomes } from "../../../relay/listen/arrival.ts";
import { ConnectWay } from "../../../relay/listen/connect-way.ts";
import { refusePlain } from "../../../relay/listen/plain-way.ts";
import { WebWay } from "../../../relay/listen/web-way.ts";
import { withDeadline } from "../../harness/deadline.ts";

const FOLDER = join(import.meta.dirname, "corpus");
const ROUNDS_PER_FILE = 150;
const TOKEN = "kt1_SecretTicket";

/** Line ends are kept as \n on disk. */
const corpus = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".txt"))
  .toSorted()
  .map((name) => {
    const text = readFileSync(join(FOLDER, name), "latin1").replaceAll("\n", "\r\n");
    return { name, bytes: Buffer.from(text, "latin1") };
  });

type WayName = "connect" | "web";

/** Lawful ends; a mutation may also leave a head in order. */
const CODES: Readonly<Record<WayName, RegExp>> = {
  connect: /^(handed-on|link\.(http-invalid|closed|needs-secured|malformed|version-mismatch))$/,
  web: /^(handed-on|link\.(http-invalid|closed|origin-refused))$/,
};

const limits = withLimits({
  clientPhaseDeadlineMs: 2_000,
  refusalLingerMs: 500,
  httpHeadBytesMax: 2_048,
});

interface Outcome {
  readonly codes: readonly string[];
  readonly answer: string;
}

/** Sends the parts to a way in, ends, and waits until everything is closed. */
async function send(way: WayName, parts: readonly Uint8Array[]): Promise<Outcome> {
  const codes: string[] = [];
  const received: Buffer[] = [];
  const [client, server] = duplexPair();
  const arrival = new Arrival(server as Socket, { ref: "r", clientAddress: "c" }, {
    onConnection: ({ stream }) => {
      codes.push("handed-on");
      stream.resume();
      stream.once("end", () => stream.destroy());
    },
    onRefused: (_ref, code, detail) => {
      codes.push(code);
      expect(detail).not.toContain(TOKEN);
    },
  } satisfies ArrivalOutcomes);
  const closed = new Promise((resolve) => server.once("close", resolve));
  client.on("error", () => {});
  client.on("data", (chunk: Buffer) => received.push(chunk));
  start(way, arrival, server);
  for (const part of parts) {
    client.write(part);
  }
  // The end must not overtake the verdict on what came before it.
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise(setImmediate);
  }
  client.end();
  await withDeadline(closed, 5_000, () => `the close, after ${JSON.stringify(codes)}`);
  client.destroy();
  return { codes, answer: Buffer.concat(received).toString("latin1") };
}

function start(way: WayName, arrival: Arrival, server: Duplex): void {
  if (way === "web") {
    const admissions = { foresee: async () => ok(null) };
    const webOrigins = () => ["https://console.example.test"];
    new WebWay({ limits, admissions, webOrigins }).take(arrival, server as TLSSocket);
    return;
  }
  const onTunnel = (tunnel: { readonly arrival: Arrival }): void => {
    tunnel.arrival.handOn(server, "connect", null);
  };
  const onPlain = (tunnelled: Arrival, stream: Duplex): void => {
    void refusePlain(tunnelled, stream, limits);
  };
  new ConnectWay({ limits, onTunnel, onPlain }).take(arrival, server as Socket);
}

function judge(way: WayName, { codes, answer }: Outcome): void {
  expect(codes).toHaveLength(1);
  expect(codes[0]).toMatch(CODES[way]);
  expect(answer).not.toContain(TOKEN);
  expect(answer).toMatch(/^($|HTTP\/1\.[01] (101|200|400|401|403|404|405|426) )/);
}

/** A small generator of numbers that gives the same ones everywhere (xorshift32). */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const NASTY = [
  "\r",
  "\n",
  "\0",
  " ",
  ":",
  "%",
  "\xff",
  "\r\n\r\n",
  "Upgrade: x\r\n",
  "A".repeat(3_000),
];

/** Some bytes changed, cut off, put in, or said twice. */
function mutate(bytes: Buffer, pick: (below: number) => number): Buffer {
  let text = bytes.toString("latin1");
  for (let change = pick(4); change >= 0; change -= 1) {
    const at = pick(text.length + 1);
    const [before, after] = [text.slice(0, at), text.slice(at)];
    const changed = [
      () => before,
      () => before + (NASTY[pick(NASTY.length)] ?? "") + after,
      () => before + String.fromCodePoint(pick(256)) + after.slice(1),
      () => before + after.slice(pick(20)),
      () => before + before.slice(-pick(40)) + after,
    ];
    text = changed[pick(changed.length)]?.() ?? text;
  }
  return Buffer.from(text, "latin1");
}

/** The bytes in parts of up to 40. */
function inParts(bytes: Buffer, pick: (below: number) => number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + pick(40);
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

it("knows the lawful ones from the others", async () => {
  const end = async (way: WayName, name: string): Promise<string> => {
    const file = corpus.find((entry) => entry.name === `${name}.txt`);
    const { codes, answer } = await send(way, [file?.bytes ?? Buffer.alloc(0)]);
    return `${codes.join()} ${answer.slice(0, 12)}`;
  };
  expect(await end("web", "upgrade-browser")).toBe("handed-on HTTP/1.1 101");
  expect(await end("web", "upgrade-foreign-origin")).toBe("link.origin-refused HTTP/1.1 403");
  expect(await end("connect", "connect-spice-gtk")).toBe("link.closed HTTP/1.0 200");
  expect(await end("connect", "connect-other-host")).toBe("link.http-invalid HTTP/1.1 403");
  expect(await end("connect", "get-through-proxy")).toBe("link.http-invalid HTTP/1.1 405");
});

describe.each(["connect", "web"] as const)("hostile HTTP on the %s way", (way) => {
  it("starts from a corpus", () => {
    expect(corpus.length).toBeGreaterThanOrEqual(12);
  });

  it.each(corpus)("$name ends alike in one piece and a byte at a time", async ({ bytes }) => {
    const whole = await send(way, [bytes]);
    judge(way, whole);
    const dribbled = await send(
      way,
      Array.from(bytes, (byte) => Buffer.of(byte)),
    );
    judge(way, dribbled);
    expect(dribbled).toEqual(whole);
  });

  it.each(corpus)("$name, cut anywhere, has one lawful end", async ({ bytes }) => {
    for (let length = 0; length < bytes.length; length += 1) {
      judge(way, await send(way, [bytes.subarray(0, length)]));
    }
  });

  it.each(corpus)("$name, mutated, has one lawful end", async ({ bytes }) => {
    const pick = numbersFrom(0x2545_f491);
    for (let round = 0; round < ROUNDS_PER_FILE; round += 1) {
      const mutated = mutate(bytes, pick);
      judge(way, await send(way, pick(2) === 0 ? [mutated] : inParts(mutated, pick)));
    }
  });
});
