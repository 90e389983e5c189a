import { describe, expect, it } from "vitest";
import {
  type ChannelLedger,
  closeChannel,
  openChannel,
} from "../../../worker/services/channel-ledger.ts";

const main = { sessionId: "ses_1", channel: "main", channelId: 0 } as const;
const end = { closeReason: "client-closed", clientBytes: 1, serverBytes: 2 };

const open = (ledger: ChannelLedger, openedAtMs: number): void =>
  openChannel(ledger, { ...main, clientAddress: "192.0.2.1", openedAtMs });

const start = (): ChannelLedger => ({ opened: [], closed: [] });

describe("the channels of a report", () => {
  it("are openings, of which those that also closed are finished", () => {
    const ledger = start();
    open(ledger, 10);
    closeChannel(ledger, { ...main, ...end, closedAtMs: 20 });
    open(ledger, 30);
    expect(ledger.closed).toEqual([]);
    expect(ledger.opened).toMatchObject([
      { openedAtMs: 10, closedAtMs: 20, ...end },
      { openedAtMs: 30, closedAtMs: null, closeReason: null },
    ]);
  });

  it("close what an earlier report opened before they tell of a new opening", () => {
    const ledger = start();
    closeChannel(ledger, { ...main, ...end, closedAtMs: 20 });
    open(ledger, 30);
    expect(ledger.closed).toEqual([{ ...main, ...end, closedAtMs: 20 }]);
    expect(ledger.opened).toMatchObject([{ openedAtMs: 30, closedAtMs: null }]);
  });

  it("are told apart by session, type and number", () => {
    const ledger = start();
    open(ledger, 10);
    for (const other of [{ channelId: 1 }, { channel: "display" as const }, { sessionId: "x" }]) {
      closeChannel(ledger, { ...main, ...other, ...end, closedAtMs: 20 });
    }
    expect(ledger.opened).toMatchObject([{ closedAtMs: null }]);
    expect(ledger.closed).toHaveLength(3);
  });
});
