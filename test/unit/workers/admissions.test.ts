/** The two ends of the admissions between a worker and its control process, joined by functions. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fail, ok } from "#shared/base/result.ts";
import type {
  Admissions,
  AdmittedChannel,
  ChannelEnd,
  Presented,
} from "../../../relay/sessions/ports.ts";
import { AdmissionDesk } from "../../../relay/workers/admission-desk.ts";
import {
  type ControlMessage,
  endOfChannels,
  parseWorkerMessage,
} from "../../../relay/workers/messages.ts";
import { RemoteAdmissions } from "../../../relay/workers/remote-admissions.ts";

const PRESENTED: Presented = {
  password: "kst1_x",
  connectionId: 0,
  channel: "main",
  channelId: 0,
  clientAddress: "192.0.2.1",
};
const TARGET = {
  host: "10.0.0.1",
  port: 5900,
  tlsPort: null,
  ca: null,
  hostSubject: null,
  proxy: null,
  password: "sekret",
};
const CLOSED: ChannelEnd = {
  by: "client",
  code: "closed",
  detail: "",
  clientBytes: 3,
  serverBytes: 4,
};

class Sessions implements Admissions {
  readonly told: unknown[] = [];
  readonly abort = new AbortController();
  gate: Promise<void> = Promise.resolve();

  async foresee(clue: unknown, from?: unknown) {
    this.told.push(["foresee", clue, from]);
    return ok({ sessionId: "ses_1", target: TARGET });
  }

  async admit(presented: Presented) {
    await this.gate;
    if (presented.password === "bad") {
      return fail({ code: "ticket.unknown", detail: "", holdMs: 7 } as const);
    }
    const channel: AdmittedChannel = {
      sessionId: "ses_1",
      channelRef: "chn_1",
      target: TARGET,
      firewall: "enforce",
      signal: this.abort.signal,
      learnConnectionId: (id) => void this.told.push(["learned", id]),
      opened: () => void this.told.push("opened"),
      touch: () => void this.told.push("touched"),
      end: (end) => void this.told.push(["ended", end]),
    };
    return ok(channel);
  }
}

/** Messages pass through JSON and the check, as between processes. */
function join(sessions: Sessions) {
  const faults: unknown[] = [];
  let isCut = false;
  const remote: RemoteAdmissions = new RemoteAdmissions({
    deadlineMs: 1_000,
    send: (message) => {
      const parsed = parseWorkerMessage(JSON.parse(JSON.stringify(message)));
      if (parsed === null) {
        throw new Error(`refused: ${JSON.stringify(message)}`);
      }
      desk.receive(parsed as Parameters<AdmissionDesk["receive"]>[0]);
    },
  });
  const toWorker = (message: ControlMessage): void => {
    const copy = JSON.parse(JSON.stringify(message)) as ControlMessage;
    if (isCut) {
      return;
    }
    if (copy.type === "end-channel") {
      remote.endChannel(copy.channelRef, copy.end);
    } else if (copy.type === "foreseen" || copy.type === "admitted" || copy.type === "refused") {
      remote.answered(copy);
    }
  };
  const desk: AdmissionDesk = new AdmissionDesk({
    admissions: sessions,
    send: toWorker,
    onFault: (error) => faults.push(error),
  });
  return {
    remote,
    desk,
    faults,
    cut: () => {
      isCut = true;
    },
  };
}

async function admitted(remote: RemoteAdmissions): Promise<AdmittedChannel> {
  const channel = await remote.admit(PRESENTED);
  if (!channel.ok) {
    throw new Error(channel.error.code);
  }
  return channel.value;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("admissions over processes", () => {
  it("give a channel with its target, and carry what becomes of it", async () => {
    const sessions = new Sessions();
    const { remote, desk } = join(sessions);
    const channel = await admitted(remote);
    expect(channel).toMatchObject({ sessionId: "ses_1", channelRef: "chn_1", target: TARGET });
    channel.opened();
    channel.opened();
    channel.learnConnectionId(0xffff_ffff);
    channel.touch();
    channel.touch();
    remote.tellTouched();
    remote.tellTouched();
    channel.end(CLOSED);
    channel.end(CLOSED);
    channel.touch();
    channel.learnConnectionId(1);
    remote.tellTouched();
    expect(sessions.told).toEqual([
      "opened",
      ["learned", 0xffff_ffff],
      "touched",
      ["ended", CLOSED],
    ]);
    expect(desk.channelCount).toBe(0);
  });

  it("hold a channel's password until it is open, and no longer", async () => {
    const { remote } = join(new Sessions());
    const channel = await admitted(remote);
    expect(channel.target).toEqual(TARGET);
    channel.opened();
    expect(() => channel.target).toThrow("let go");
  });

  it("carry a refusal with its hold, and a clue with who gave it", async () => {
    const sessions = new Sessions();
    const { remote } = join(sessions);
    expect(await remote.admit({ ...PRESENTED, password: "bad" })).toEqual(
      fail({ code: "ticket.unknown", detail: "", holdMs: 7 }),
    );
    const from = { channel: "main", clientAddress: "192.0.2.1" } as const;
    const clue = { kind: "token", token: "kst1_x" } as const;
    expect(await remote.foresee(clue, from)).toEqual(ok({ sessionId: "ses_1", target: TARGET }));
    expect(sessions.told).toEqual([["foresee", clue, from]]);
  });

  it("abort a channel with the reason that its session ended for", async () => {
    const sessions = new Sessions();
    const { remote } = join(sessions);
    const channel = await admitted(remote);
    const end: ChannelEnd = { ...CLOSED, by: "relay", code: "idle" };
    sessions.abort.abort(end);
    expect(channel.signal.reason).toEqual(end);
  });

  it("abort also a channel whose session ended while it was admitted", async () => {
    const sessions = new Sessions();
    const { remote } = join(sessions);
    sessions.abort.abort({ ...CLOSED, by: "relay", code: "terminated" });
    const channel = await admitted(remote);
    expect(channel.signal.aborted).toBe(true);
  });

  it("end every channel of a lost worker, also one that was being admitted", async () => {
    const sessions = new Sessions();
    const { remote, desk, faults } = join(sessions);
    await admitted(remote);
    const late = Promise.withResolvers<void>();
    sessions.gate = late.promise;
    void remote.admit(PRESENTED);
    const lost = endOfChannels("relay.worker-lost", "crashed");
    desk.lose(lost);
    expect(sessions.told).toEqual([["ended", lost]]);
    late.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(sessions.told).toEqual([
      ["ended", lost],
      ["ended", lost],
    ]);
    expect(faults).toEqual([]);
  });

  it("settle without an answer, and give an admission back that came too late", async () => {
    const sessions = new Sessions();
    const { remote } = join(sessions);
    const late = Promise.withResolvers<void>();
    sessions.gate = late.promise;
    const asking = remote.admit(PRESENTED);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await asking).toMatchObject({ ok: false, error: { code: "internal.error" } });
    late.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(sessions.told).toMatchObject([["ended", { by: "relay", code: "internal.error" }]]);
  });

  it("let a worker speak for its own channels only, and open each once", async () => {
    const sessions = new Sessions();
    const { remote, desk } = join(sessions);
    await admitted(remote);
    desk.receive({ type: "opened", channelRef: "chn_2" });
    desk.receive({ type: "learned", channelRef: "chn_2", connectionId: 1 });
    desk.receive({ type: "ended", channelRef: "chn_2", end: { ...CLOSED, findings: [] } });
    desk.receive({ type: "touched", channelRefs: ["chn_2"] });
    desk.receive({ type: "opened", channelRef: "chn_1" });
    desk.receive({ type: "opened", channelRef: "chn_1" });
    expect(sessions.told).toEqual(["opened"]);
  });
});
