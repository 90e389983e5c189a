/** A registry without sockets, with a clock that the test turns. */
import { randomBytes } from "node:crypto";
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { fail, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type DataPlaneLimits, withLimits } from "../../../relay/limits.ts";
import type {
  ChannelSummary,
  FirewallSummary,
  SessionObserver,
  SessionSummary,
} from "../../../relay/sessions/observer.ts";
import type {
  AdmittedChannel,
  ChannelEnd,
  Presented,
  Refusal,
} from "../../../relay/sessions/ports.ts";
import { Registry } from "../../../relay/sessions/registry.ts";
import type { FakeControl, Issued, IssueOptions } from "./fake-control.ts";
import { ManualClock } from "./manual-clock.ts";
import { RecordedEvents } from "./recorded-events.ts";

/** What the registry told log and metrics. */
export class RecordedSummaries implements SessionObserver {
  readonly refusedTickets: { reason: TicketRefusalReason; count: number }[] = [];
  readonly refusedChannels: string[] = [];
  readonly opened: string[] = [];
  readonly channels: ChannelSummary[] = [];
  readonly firewall: FirewallSummary[] = [];
  readonly sessions: SessionSummary[] = [];

  ticketRefused(
    reason: TicketRefusalReason,
    _channel: string,
    _address: string,
    count: number,
  ): void {
    this.refusedTickets.push({ reason, count });
  }

  channelRefused(code: string): void {
    this.refusedChannels.push(code);
  }

  channelOpened(channel: string): void {
    this.opened.push(channel);
  }

  channelEnded(summary: ChannelSummary): void {
    this.channels.push(summary);
  }

  channelFirewall(summary: FirewallSummary): void {
    this.firewall.push(summary);
  }

  sessionEnded(summary: SessionSummary): void {
    this.sessions.push(summary);
  }
}

/** One registry and everything that it talks to. */
export class RegistryBench {
  readonly clock = new ManualClock(BENCH_START_MS);
  readonly events = new RecordedEvents();
  readonly summaries = new RecordedSummaries();
  readonly lookups: string[] = [];
  /** When the control plane was last heard, by the clock. */
  heardAtMs = BENCH_START_MS;
  /** How far the time of day was set away from the clock. */
  setForwardMs = 0;
  answer: (hash: string) => Promise<Result<string, TicketRefusalReason>> = async () =>
    fail("unknown");
  readonly control: FakeControl;
  readonly registry: Registry;

  constructor(control: FakeControl, limits: Partial<DataPlaneLimits> = {}, keyRing = control.ring) {
    this.control = control;
    this.registry = new Registry({
      keyRing,
      lookup: {
        lookup: async (hash) => {
          this.lookups.push(hash);
          return this.answer(hash);
        },
      },
      contact: { silentMs: () => this.clock.nowMs() - this.heardAtMs },
      events: this.events,
      observer: this.summaries,
      limits: withLimits(limits),
      nowMs: () => this.clock.nowMs() + this.setForwardMs,
      steadyMs: this.clock.nowMs,
      startTimer: this.clock.startTimer,
      randomBytes,
    });
  }

  async push(grant: string): Promise<Failure | null> {
    return this.registry.apply({ kind: "grant", grant });
  }

  async admit(
    password: string,
    presented: Partial<Presented> = {},
  ): Promise<Result<AdmittedChannel, Refusal>> {
    return this.registry.admit({
      password,
      channel: "main",
      channelId: 0,
      connectionId: 0,
      clientAddress: "192.0.2.1",
      ...presented,
    });
  }

  async admitted(password: string, presented: Partial<Presented> = {}): Promise<AdmittedChannel> {
    const result = await this.admit(password, presented);
    if (!result.ok) {
      throw new Error(result.error.code);
    }
    return result.value;
  }

  async code(password: string, presented: Partial<Presented> = {}): Promise<string> {
    const result = await this.admit(password, presented);
    return result.ok ? "admitted" : result.error.code;
  }

  /** A ticket whose grant is here. */
  async issue(options: IssueOptions = {}): Promise<Issued> {
    const issued = await this.control.issue(options);
    const refusal = await this.push(issued.grant);
    if (refusal !== null) {
      throw new Error(refusal.detail);
    }
    return issued;
  }

  /** A session's linked main channel, its connection id told. */
  async openMain(ticket: string, connectionId = 7): Promise<AdmittedChannel> {
    const main = await this.admitted(ticket);
    main.opened();
    main.learnConnectionId(connectionId);
    return main;
  }

  /** A linked later channel. */
  async join(ticket: string, connectionId = 7): Promise<AdmittedChannel> {
    const display = await this.admitted(ticket, { channel: "display", connectionId });
    display.opened();
    return display;
  }
}

/** A normal end. */
export const closed = (by: ChannelEnd["by"], clientBytes = 0, serverBytes = 0): ChannelEnd => ({
  by,
  code: "closed",
  detail: "",
  clientBytes,
  serverBytes,
});

/** A channel ends as the registry asked it to. */
export function obey(channel: AdmittedChannel): void {
  if (!channel.signal.aborted) {
    throw new Error("the channel was not asked to end");
  }
  channel.end(channel.signal.reason as ChannelEnd);
}

/** When the bench's clock starts. */
export const BENCH_START_MS = 1_800_000_000_000;
