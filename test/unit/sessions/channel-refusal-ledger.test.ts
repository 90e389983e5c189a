import { describe, expect, it } from "vitest";
import {
  ChannelRefusalLedger,
  type RefusedChannel,
} from "../../../relay/sessions/channel-refusal-ledger.ts";

const LIMITS = { channelRefusalsToldMax: 2, channelRefusalsKeptMax: 2 };
const REFUSED: RefusedChannel = {
  sessionId: "ses_a",
  code: "channel.not-permitted",
  channel: "usbredir",
  channelId: 0,
  clientAddress: "192.0.2.1",
};

function counts(told: readonly { readonly count: number }[]): number[] {
  return told.map(({ count }) => count);
}

describe("channels refused in numbers", () => {
  it("are told one by one at first, then in one sum when their minute is over", () => {
    const ledger = new ChannelRefusalLedger(LIMITS);
    const told = Array.from({ length: 7 }, () => counts(ledger.note(REFUSED, 1_000)));
    expect(told).toEqual([[1], [1], [], [], [], [], []]);
    expect(ledger.flush(60_999)).toEqual([]);
    expect(ledger.flush(61_000)).toEqual([{ ...REFUSED, count: 5 }]);
    expect(ledger.flush(200_000)).toEqual([]);
  });

  it("are summed up before the first of a new minute is told", () => {
    const ledger = new ChannelRefusalLedger(LIMITS);
    for (let count = 0; count < 5; count += 1) {
      ledger.note(REFUSED, 0);
    }
    expect(counts(ledger.note(REFUSED, 60_000))).toEqual([3, 1]);
  });

  it("are apart by session and by error, and what is forgotten for want of room is told", () => {
    const ledger = new ChannelRefusalLedger(LIMITS);
    for (let count = 0; count < 4; count += 1) {
      ledger.note(REFUSED, 0);
    }
    expect(counts(ledger.note({ ...REFUSED, sessionId: "ses_b" }, 0))).toEqual([1]);
    const told = ledger.note({ ...REFUSED, code: "relay.full" }, 0);
    expect(told).toEqual([
      { ...REFUSED, count: 2 },
      { ...REFUSED, code: "relay.full", count: 1 },
    ]);
  });

  it("are all told at the end", () => {
    const ledger = new ChannelRefusalLedger(LIMITS);
    for (let count = 0; count < 4; count += 1) {
      ledger.note(REFUSED, 0);
      ledger.note({ ...REFUSED, sessionId: "ses_b" }, 0);
    }
    expect(counts(ledger.close())).toEqual([2, 2]);
    expect(ledger.close()).toEqual([]);
  });
});
