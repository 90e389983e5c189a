/** The spool: what survives, what is trimmed, what is dropped, and that none of it is silent. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { RelayEvent } from "#shared/control/contract.ts";
import { CONTROL_MESSAGE_BYTES_MAX, EVENTS_PER_MESSAGE_MAX } from "#shared/control/limits.ts";
import { Spool, type SpoolOptions } from "../../../relay/control/spool.ts";
import { openSpoolDisk, type SpoolDisk } from "../../../relay/control/spool-disk.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { countingBytes, keepingLog, memoryDisk } from "./memory-disk.ts";

function open(disk: SpoolDisk, options: Partial<SpoolOptions> = {}) {
  const log = keepingLog();
  const spool = new Spool({
    disk,
    relayId: "rly_1",
    nowMs: () => 1234,
    randomBytes: countingBytes(),
    log,
    ...options,
  });
  return { spool, log };
}

const opened = (id: number): RelayEvent => ({
  type: "session.opened",
  sessionId: `ses_${id}`,
  clientAddress: "192.0.2.1",
});

const channelOpened = (id: number): RelayEvent => ({
  type: "channel.opened",
  sessionId: `ses_${id}`,
  channel: "display",
  channelId: 0,
  clientAddress: "192.0.2.1",
});

const ticketRefused: RelayEvent = {
  type: "ticket.refused",
  reason: "malformed",
  channel: "main",
  clientAddress: "192.0.2.2",
  sessionId: null,
  count: 1,
};

function seqs(spool: Spool, afterSeq = 0): number[] {
  return spool.batch(afterSeq).events.map(({ seq }) => seq);
}

describe("recording", () => {
  it("numbers events from one and gives them out in order", () => {
    const { spool } = open(memoryDisk());
    spool.record(opened(1));
    spool.record(opened(2));
    expect(spool.batch(0)).toEqual({
      stream: spool.stream,
      events: [
        { seq: 1, atMs: 1234, event: opened(1) },
        { seq: 2, atMs: 1234, event: opened(2) },
      ],
    });
    expect(seqs(spool, 1)).toEqual([2]);
  });

  it("tells its listeners, until they are taken off", () => {
    const { spool } = open(memoryDisk());
    let count = 0;
    const off = spool.onRecord(() => (count += 1));
    spool.record(opened(1));
    off();
    spool.record(opened(2));
    expect(count).toBe(1);
  });

  it("cuts texts that the contract would refuse", () => {
    const { spool } = open(memoryDisk());
    spool.record({ type: "session.opened", sessionId: "s", clientAddress: "x".repeat(5000) });
    expect(spool.batch(0).events[0]?.event).toMatchObject({ clientAddress: "x".repeat(1024) });
  });

  it("refuses, loudly, an event that would make the hub refuse its whole message", () => {
    const { spool, log } = open(memoryDisk());
    spool.record({ type: "session.opened", sessionId: "s".repeat(65), clientAddress: "" });
    expect(spool.pendingCount).toBe(0);
    expect(log.names()).toEqual(["spool.event-invalid"]);
  });

  it("keeps a message within the contract's count and bytes", () => {
    const { spool } = open(memoryDisk());
    const text = "\u{1F600}".repeat(512);
    for (let id = 0; id < 200; id += 1) {
      spool.record({
        type: "channel.refused",
        sessionId: `ses_${id}`,
        channel: text,
        channelId: 0,
        clientAddress: text,
        code: text,
        detail: text,
      });
    }
    const { events } = spool.batch(0);
    expect(events.length).toBeGreaterThan(1);
    expect(Buffer.byteLength(JSON.stringify(events))).toBeLessThan(CONTROL_MESSAGE_BYTES_MAX);
    const { spool: small } = open(memoryDisk());
    for (let id = 0; id < 200; id += 1) {
      small.record(opened(id));
    }
    expect(small.batch(0).events).toHaveLength(EVENTS_PER_MESSAGE_MAX);
  });

  it("keeps only the latest snapshot, because it says everything", () => {
    const { spool } = open(memoryDisk());
    spool.record({ type: "relay.snapshot", sessionIds: ["a"] });
    spool.record(opened(1));
    spool.record({ type: "relay.snapshot", sessionIds: ["b"] });
    expect(seqs(spool)).toEqual([2, 3]);
  });
});

describe("after a restart", () => {
  it("goes on with the same stream, events and numbers", () => {
    const disk = memoryDisk();
    const first = open(disk).spool;
    first.record(opened(1));
    first.record(opened(2));
    const { spool, log } = open(disk);
    expect(spool.stream).toBe(first.stream);
    spool.record(opened(3));
    expect(seqs(spool)).toEqual([1, 2, 3]);
    expect(log.lines).toEqual([]);
  });

  it("never uses a number again, also when everything was acknowledged", () => {
    const disk = memoryDisk();
    const first = open(disk).spool;
    first.record(opened(1));
    first.record(opened(2));
    seqs(first);
    first.acknowledge(first.stream, 2);
    expect(open(disk).spool.pendingCount).toBe(0);
    // The file was written anew meanwhile and holds no trace of the numbers but its head.
    const { spool } = open(disk);
    spool.record(opened(3));
    expect(seqs(spool)).toEqual([3]);
  });

  it.each([1, 10, 50])("drops a last line that was torn %i bytes before its end", (cut) => {
    const disk = memoryDisk();
    const first = open(disk).spool;
    first.record(opened(1));
    first.record(opened(2));
    disk.text = disk.text?.slice(0, -cut) ?? null;
    const { spool, log } = open(disk);
    expect(log.names()).toEqual(["spool.torn-line-dropped"]);
    spool.record(opened(3));
    expect(seqs(spool)).toEqual([1, 2]);
    expect(spool.batch(1).events[0]?.event).toEqual(opened(3));
    expect(open(disk).log.lines).toEqual([]);
  });

  it("reads on past a line that cannot be read, and says so", () => {
    const disk = memoryDisk();
    const first = open(disk).spool;
    for (const id of [1, 2, 3]) {
      first.record(opened(id));
    }
    disk.text = disk.text?.replace(/\{"seq":2.*\n/, "\0\0\0\n") ?? null;
    const { spool, log } = open(disk);
    expect(seqs(spool)).toEqual([1, 3]);
    expect(log.names()).toEqual(["spool.corrupt"]);
  });

  it.each([
    ["whose first line is unreadable", "garbage\n"],
    ["of another relay", '{"relayId":"rly_2","stream":"str_x","nextSeq":5}\n'],
  ])("puts a file %s aside and begins a new stream", (_what, text) => {
    const disk = memoryDisk(text);
    const { spool, log } = open(disk);
    expect(disk.setAsideText).toBe(text);
    expect(log.names()).toEqual(["spool.corrupt"]);
    expect(spool.stream).not.toBe("str_x");
    spool.record(opened(1));
    expect(seqs(spool)).toEqual([1]);
  });

  it("begins a new stream when the file is lost", () => {
    const disk = memoryDisk();
    const first = open(disk, { randomBytes: countingBytes() }).spool;
    first.record(opened(1));
    const other = open(memoryDisk(), { randomBytes: (count) => new Uint8Array(count).fill(99) });
    expect(other.spool.stream).not.toBe(first.stream);
  });
});

describe("acknowledging", () => {
  function filled(disk = memoryDisk()) {
    const { spool, log } = open(disk);
    for (const id of [1, 2, 3]) {
      spool.record(opened(id));
    }
    seqs(spool);
    return { spool, log, disk };
  }

  it("trims what is stored, also for the next process", () => {
    const { spool, disk } = filled();
    spool.acknowledge(spool.stream, 2);
    expect(seqs(spool)).toEqual([3]);
    expect(seqs(open(disk).spool)).toEqual([3]);
  });

  it("ignores another stream, and numbers that were never sent", () => {
    const { spool } = filled();
    spool.record(opened(4));
    spool.acknowledge("str_other", 3);
    spool.acknowledge(spool.stream, 4);
    expect(spool.pendingCount).toBe(4);
  });

  it("keeps the file small", () => {
    const disk = memoryDisk();
    const { spool } = open(disk);
    for (let id = 0; id < 20_000; id += 1) {
      spool.record(opened(id));
      const { events } = spool.batch(0);
      spool.acknowledge(spool.stream, events.at(-1)?.seq ?? 0);
    }
    expect(disk.text?.length).toBeLessThan(600_000);
    // One at the start, then one for each 256 KiB, not one for each event.
    expect(disk.replaceCount).toBeLessThan(30);
  });

  it("trims to what a welcome says is stored", () => {
    const { spool } = filled();
    spool.reconcile(spool.stream, 2);
    expect(seqs(spool)).toEqual([3]);
    spool.reconcile(null, 0);
    spool.reconcile("str_other", 3);
    expect(seqs(spool)).toEqual([3]);
  });

  it("moves unseen events to a new stream when the control plane has seen numbers ahead", () => {
    const disk = memoryDisk();
    const first = open(disk).spool;
    first.record(opened(1));
    const backup = disk.text;
    first.record(opened(2));
    first.record(opened(3));
    // The disk is set back: numbers 2 and 3 would be given out again.
    const { spool, log } = open(memoryDisk(backup), {
      randomBytes: (count) => new Uint8Array(count).fill(77),
    });
    spool.record(opened(4));
    spool.reconcile(first.stream, 3);
    expect(log.names()).toEqual(["spool.new-stream"]);
    expect(spool.stream).not.toBe(first.stream);
    expect(spool.batch(0).events).toEqual([{ seq: 1, atMs: 1234, event: opened(4) }]);
  });
});

describe("when it is full", () => {
  const bounds = { eventsMax: 4, bytesMax: 1_000_000 };

  it("drops the oldest channel events first, and counts and logs it", () => {
    const { spool, log } = open(memoryDisk(), { bounds });
    spool.record(opened(1));
    spool.record(channelOpened(1));
    spool.record(opened(2));
    spool.record(channelOpened(2));
    spool.record(opened(3));
    expect(seqs(spool)).toEqual([1, 3, 4, 5]);
    spool.record(opened(4));
    expect(seqs(spool)).toEqual([1, 3, 5, 6]);
    expect(spool.droppedCount).toBe(2);
    expect(log.names()).toEqual(["spool.events-dropped"]);
  });

  it("drops the oldest of any kind when there are no channel events", () => {
    const { spool } = open(memoryDisk(), { bounds });
    for (const id of [1, 2, 3, 4, 5, 6]) {
      spool.record(opened(id));
    }
    expect(seqs(spool)).toEqual([3, 4, 5, 6]);
    spool.record(channelOpened(7));
    expect(seqs(spool)).toEqual([3, 4, 5, 6]);
  });

  it("drops refused tickets before a session's events: strangers cause any number of them", () => {
    const { spool } = open(memoryDisk(), { bounds });
    spool.record(opened(1));
    for (let count = 0; count < 10; count += 1) {
      spool.record(ticketRefused);
    }
    spool.record(opened(2));
    expect(seqs(spool)).toEqual([1, 10, 11, 12]);
  });

  it("is bounded in bytes as well", () => {
    const { spool } = open(memoryDisk(), { bounds: { eventsMax: 1000, bytesMax: 1000 } });
    for (let id = 0; id < 100; id += 1) {
      spool.record(opened(id));
    }
    expect(spool.pendingCount).toBeLessThan(11);
    expect(spool.pendingCount).toBeGreaterThan(4);
  });

  it("says so again when it has drained", () => {
    const { spool, log } = open(memoryDisk(), { bounds });
    for (const id of [1, 2, 3, 4, 5]) {
      spool.record(channelOpened(id));
    }
    spool.acknowledge(spool.stream, spool.batch(0).events.at(-1)?.seq ?? 0);
    expect(log.names()).toEqual(["spool.events-dropped", "spool.drained-after-drops"]);
  });

  it("keeps what is no channel event through any number of them", () => {
    const { spool } = open(memoryDisk(), { bounds: { eventsMax: 20, bytesMax: 100_000 } });
    for (let id = 1; id <= 10; id += 1) {
      spool.record(opened(id));
    }
    for (let id = 0; id < 5_000; id += 1) {
      spool.record(channelOpened(id));
    }
    expect(seqs(spool).slice(0, 11)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 5001]);
  });

  it("stays bounded in memory and file over a long outage", () => {
    const disk = memoryDisk();
    const { spool } = open(disk, { bounds: { eventsMax: 50, bytesMax: 100_000 } });
    for (let id = 0; id < 20_000; id += 1) {
      spool.record(id % 3 === 0 ? opened(id) : channelOpened(id));
    }
    expect(spool.pendingCount).toBe(50);
    expect(disk.text?.length).toBeLessThan(600_000);
    expect(spool.pendingCount + spool.droppedCount).toBe(20_000);
  });
});

describe("when the disk fails", () => {
  it("goes on in memory, says so once, and writes everything when it works again", () => {
    const disk = memoryDisk();
    const clock = { nowMs: 0 };
    const { spool, log } = open(disk, { nowMs: () => clock.nowMs });
    spool.record(opened(1));
    disk.isFull = true;
    spool.record(opened(2));
    spool.record(opened(3));
    clock.nowMs = 6_000;
    spool.record(opened(4));
    expect(log.names()).toEqual(["spool.disk-failed"]);
    expect(seqs(spool)).toEqual([1, 2, 3, 4]);
    expect(seqs(open(memoryDisk(disk.text)).spool)).toEqual([1]);
    disk.isFull = false;
    spool.record(opened(5));
    expect(seqs(open(memoryDisk(disk.text)).spool)).toEqual([1]);
    clock.nowMs = 12_000;
    spool.record(opened(6));
    expect(log.names()).toEqual(["spool.disk-failed", "spool.disk-recovered"]);
    expect(seqs(open(memoryDisk(disk.text)).spool)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("keeps a file that it could not read, and begins anew", () => {
    const disk = memoryDisk("precious");
    disk.read = () => {
      throw new Error("EIO");
    };
    const { spool, log } = open(disk);
    spool.record(opened(1));
    expect(spool.pendingCount).toBe(1);
    expect(disk.setAsideText).toBe("precious");
    expect(log.names()).toEqual(["spool.disk-failed"]);
  });
});

describe("on a real disk", () => {
  it("keeps events in a file of mode 0600 and cuts a torn end off", async () => {
    await using folder = await makeTempFolder();
    const path = folder.file("spool.ndjson");
    const first = open(openSpoolDisk(path)).spool;
    first.record(opened(1));
    first.record(opened(2));
    // No close: as after kill -9.
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, readFileSync(path).subarray(0, -7));
    const { spool, log } = open(openSpoolDisk(path));
    expect(log.names()).toEqual(["spool.torn-line-dropped"]);
    spool.record(opened(3));
    expect(spool.batch(0).events.map(({ event }) => event)).toEqual([opened(1), opened(3)]);
    spool.close();
    expect(open(openSpoolDisk(path)).log.lines).toEqual([]);
  });

  it("keeps what it records though another process began with the file and gave up", async () => {
    await using folder = await makeTempFolder();
    const path = folder.file("spool.ndjson");
    const { spool } = open(openSpoolDisk(path));
    spool.record(opened(1));
    open(openSpoolDisk(path)).spool.close();
    spool.record(opened(2));
    // No close: as after kill -9.
    const next = open(openSpoolDisk(path)).spool;
    expect(next.batch(0).events.map(({ event }) => event)).toEqual([opened(1), opened(2)]);
  });

  it("goes on in memory when its folder is gone", async () => {
    await using folder = await makeTempFolder();
    const { spool, log } = open(openSpoolDisk(folder.file("missing/spool.ndjson")));
    spool.record(opened(1));
    expect(spool.pendingCount).toBe(1);
    expect(log.names()).toEqual(["spool.disk-failed"]);
  });
});
