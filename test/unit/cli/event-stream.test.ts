/** Server-sent events out of bytes, however the bytes come. */
import { describe, expect, it } from "vitest";
import { EventStreamReader, type ServerSentEvent } from "../../../relay/cli/watch/event-stream.ts";

const STREAM = [
  ": a word for middle-boxes\n\n",
  "event: ready\ndata: {}\nid: 7\nretry: 1500\n\n",
  "data: first\r\ndata:  second\r\n\r\n",
  "event: session\rdata: grüße\rid: 8\r\r",
  "event: nothing to tell\n\n",
  "data\nid: with\0null\nunknown: x\nretry: soon\n\n",
  "data: never whole\n",
].join("");

const EVENTS: ServerSentEvent[] = [
  { type: "ready", data: "{}", id: "7", retryMs: 1_500 },
  { type: "message", data: "first\n second", id: "7", retryMs: 1_500 },
  { type: "session", data: "grüße", id: "8", retryMs: 1_500 },
  { type: "message", data: "", id: "8", retryMs: 1_500 },
];

function readIn(chunks: readonly Uint8Array[]): ServerSentEvent[] {
  const reader = new EventStreamReader();
  return chunks.flatMap((chunk) => {
    const events = reader.push(chunk);
    if (!events.ok) {
      throw new Error(events.error);
    }
    return events.value;
  });
}

describe("an event stream", () => {
  const bytes = new TextEncoder().encode(STREAM);

  it("has the events that were whole, with names, ids and line ends of each kind", () => {
    expect(readIn([bytes])).toEqual(EVENTS);
  });

  it("is the same byte by byte, and cut in two anywhere", () => {
    expect(readIn([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(EVENTS);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(readIn([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(EVENTS);
    }
  });

  it.each([
    ["a line without an end", () => "data: ".padEnd(2 ** 20 + 1, "x")],
    ["lines without an end", () => `data: ${"x".repeat(2 ** 19)}\n`.repeat(2)],
  ])("that is %s is given up", (_name, text) => {
    const reader = new EventStreamReader();
    expect(reader.push(new TextEncoder().encode(text()))).toEqual({ ok: false, error: "too-long" });
  });
});
