/** The judge over any bytes: how they are cut changes nothing, and both modes see the same. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FirewallMode } from "#shared/policy/policy.ts";
import type { Direction } from "#shared/spice/channel-table.ts";
import { CHANNEL_NAMES, type ChannelName } from "#shared/spice/channel-names.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { encodeFullHeader, encodeMiniHeader, type HeaderKind } from "#shared/spice/header.ts";
import { Splitter } from "#shared/spice/splitter.ts";
import { ChannelFirewall } from "../../../relay/pump/firewall.ts";
import { MessageJudge } from "../../../relay/pump/message-judge.ts";
import { hex } from "../../unit/spice/hex.ts";

interface Which {
  readonly channel: ChannelName;
  readonly direction: Direction;
  readonly headerKind: HeaderKind;
}

interface Message {
  readonly type: number;
  readonly body: Uint8Array;
  readonly subListOffset: number;
}

const which: fc.Arbitrary<Which> = fc.record({
  channel: fc.constantFrom(...CHANNEL_NAMES),
  direction: fc.constantFrom<Direction>("client", "server"),
  headerKind: fc.constantFrom<HeaderKind>("mini", "full"),
});

/** Numbers and sizes around the lawful ones, so that streams go on for a while. */
const message: fc.Arbitrary<Message> = fc.record({
  type: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 99, max: 125 }), fc.nat(330)),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(0, 2, 4, 8, 12, 32, 57).map((sizeBytes) => new Uint8Array(sizeBytes)),
    fc.constant(hex("01 00 06 00 00 00 66 00 00 00 00 00")),
  ),
  subListOffset: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(60)),
});
const cuts = fc.array(fc.nat(300), { maxLength: 20 });

function encode(kind: HeaderKind, list: readonly Message[]): Uint8Array {
  const parts = list.flatMap(({ type, body, subListOffset }) => {
    const header = { type, sizeBytes: body.length, subListOffset, serial: 1n };
    return [kind === "mini" ? encodeMiniHeader(header) : encodeFullHeader(header), body];
  });
  return Buffer.concat(parts);
}

/** What comes of a stream that is cut at these places. */
function run(of: Which, mode: FirewallMode, bytes: Uint8Array, at: readonly number[]) {
  const connectionIds: number[] = [];
  const firewall = new ChannelFirewall({ channel: of.channel, mode, onFinding() {} });
  const onConnectionId = (id: number) => connectionIds.push(id);
  const judge = new MessageJudge({ ...of, firewall, onConnectionId });
  const splitter = new Splitter(of.headerKind);
  let error: string | null = null;
  let from = 0;
  try {
    for (const end of [...at, bytes.length].toSorted((a, b) => a - b)) {
      splitter.push(bytes.subarray(from, end), judge);
      judge.endChunk(0);
      from = Math.max(from, end);
    }
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(SpiceError);
    error = thrown instanceof SpiceError ? thrown.message : "";
  }
  const isActive = judge.takeActivity();
  const { lawfulBytes } = judge;
  return { error, lawfulBytes, isActive, connectionIds, findings: firewall.findings() };
}

function checkStream(of: Which, bytes: Uint8Array, at: readonly number[]): void {
  const enforced = run(of, "enforce", bytes, []);
  const observed = run(of, "observe", bytes, []);
  const inBytes = [...bytes.keys()];
  for (const others of [at, inBytes]) {
    expect(run(of, "enforce", bytes, others)).toEqual(enforced);
    expect(run(of, "observe", bytes, others)).toEqual(observed);
  }
  expect(observed.error).toBeNull();
  expect(enforced.error === null).toBe(observed.findings.length === 0);
  expect(enforced.findings.map(({ count }) => count)).toEqual(enforced.error === null ? [] : [1]);
  const first = observed.findings[0];
  expect(enforced.findings[0]).toEqual(first === undefined ? undefined : { ...first, count: 1 });
  expect(observed.lawfulBytes).toBeGreaterThanOrEqual(enforced.lawfulBytes);
}

const FOLDER = join(import.meta.dirname, "../spice/corpus");
const corpus = readdirSync(FOLDER)
  .filter((name) => name.startsWith("messages-"))
  .map((name) => ({ name, bytes: hex(readFileSync(join(FOLDER, name), "utf8")) }));

describe("the judge", () => {
  it("comes to the same however a stream is cut, and enforces the first thing it observes", () => {
    fc.assert(
      fc.property(which, fc.array(message, { maxLength: 8 }), cuts, (of, list, at) => {
        checkStream(of, encode(of.headerKind, list), at);
      }),
      { seed: 20_261_122, numRuns: 1500 },
    );
  });

  it.each(corpus)("$name, with any bytes changed, is judged the same however cut", ({ bytes }) => {
    const changes = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(which, changes, cuts, (of, changed, at) => {
        const copy = bytes.slice();
        for (const [index, value] of changed) {
          copy[index] = value;
        }
        checkStream(of, copy, at);
      }),
      { seed: 20_261_122, numRuns: 300 },
    );
  });

  it.each([
    ["messages-display-list-mini.hex", "mini"],
    ["messages-display-list-full.hex", "full"],
  ] as const)("finds nothing in %s", (name, kind) => {
    const bytes = corpus.find((file) => file.name === name)?.bytes ?? new Uint8Array();
    const of = { channel: "display", direction: "server", headerKind: kind } as const;
    const result = run(of, "enforce", bytes, []);
    expect(result).toMatchObject({ error: null, lawfulBytes: bytes.length, findings: [] });
  });
});
