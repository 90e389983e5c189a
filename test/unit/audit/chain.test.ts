import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { CHAIN_START, followLinks, hashLink } from "#shared/audit/chain.ts";
import { readAuditLine, writeAuditLine } from "#shared/audit/audit-line.ts";
import type { StoredAuditEvent } from "#shared/audit/stored-event.ts";

const FIRST: StoredAuditEvent & { seq: number } = {
  id: "aud_1",
  atMs: 1_700_000_000_000,
  type: "user.logged-in",
  actorKind: "user",
  actorId: "usr_1",
  address: "192.0.2.1",
  requestId: null,
  consoleId: null,
  sessionId: null,
  relayId: null,
  subjectId: null,
  data: '{"username":"é \\"x\\""}',
  writer: "api:0",
  seq: 1,
  hash: null,
};

/** Written by hand, as another program would from the documentation. */
const FIRST_AS_HASHED =
  '["kerbside-audit-1","","api:0",1,"aud_1",1700000000000,"user.logged-in","user","usr_1",' +
  '"192.0.2.1",null,null,null,null,null,"{\\"username\\":\\"é \\\\\\"x\\\\\\"\\"}"]';

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64url");

async function chainOf(count: number): Promise<StoredAuditEvent[]> {
  const links: StoredAuditEvent[] = [];
  let previous = CHAIN_START;
  for (let seq = 1; seq <= count; seq += 1) {
    previous = await hashLink(previous, { ...FIRST, seq });
    links.push({ ...FIRST, seq, hash: previous });
  }
  return links;
}

const START = { writer: "api:0", seq: 0, hash: CHAIN_START };

describe("a link's hash", () => {
  it("is SHA-256 of the documented text", async () => {
    expect(await hashLink(CHAIN_START, FIRST)).toBe(sha256(FIRST_AS_HASHED));
  });

  it("changes with every field, with its place and with the link before", async () => {
    const changes: Partial<typeof FIRST>[] = [
      { id: "aud_2" },
      { atMs: 1_700_000_000_001 },
      { type: "user.logged-out" },
      { actorKind: "relay" },
      { actorId: null },
      { address: null },
      { requestId: "r" },
      { consoleId: "r" },
      { sessionId: "r" },
      { relayId: "r" },
      { subjectId: "r" },
      { data: "{}" },
      { writer: "api:1" },
      { seq: 2 },
    ];
    const changed = changes.map(async (change) => await hashLink("", { ...FIRST, ...change }));
    const hashes = await Promise.all([hashLink("", FIRST), hashLink("x", FIRST), ...changed]);
    expect(new Set(hashes).size).toBe(changes.length + 2);
  });
});

describe("links behind a head", () => {
  it("are followed to the last", async () => {
    const links = await chainOf(3);
    const { hash } = links[2] ?? { hash: "" };
    expect(await followLinks(START, links)).toEqual({
      head: { writer: "api:0", seq: 3, hash },
      misfit: null,
    });
  });

  it("are followed as far as they fit: not past a gap, a changed link or another chain's", async () => {
    const [first, second, third] = await chainOf(3);
    if (first === undefined || second === undefined || third === undefined) {
      throw new Error("three links");
    }
    for (const misfit of [third, { ...second, data: "{}" }, { ...second, writer: "api:1" }]) {
      expect(await followLinks(START, [first, misfit])).toMatchObject({ head: { seq: 1 }, misfit });
    }
  });
});

describe("an event as a line", () => {
  it.each([
    ["as it is", FIRST],
    ["with data that is written otherwise", { ...FIRST, data: '{ "username": "x" }' }],
    ["with data that is no object", { ...FIRST, data: "gone" }],
    ["with a time that no calendar has", { ...FIRST, atMs: 9e15 }],
    [
      "of a type that this build does not know",
      { ...FIRST, type: "moon.landed", data: '{"a":[1]}' },
    ],
    ["without a chain", { ...FIRST, writer: "legacy", seq: null, hash: null }],
  ])("can be read again to the byte: %s", (_name, event) => {
    expect(readAuditLine(JSON.parse(JSON.stringify(writeAuditLine(event))))).toEqual(event);
  });
});
