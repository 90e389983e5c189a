/**
 * The control process's side of one worker's admissions: carries its questions to the registry and
 * keeps the channels it was given. Promises that a worker can speak for its own channels alone, and
 * that each of them ends when the worker is gone, also those that were being admitted just then.
 */
import type { Admissions, AdmittedChannel, ChannelEnd, Presented } from "../sessions/ports.ts";
import type { ControlMessage, WorkerMessage } from "./messages.ts";

type DeskMessage = Extract<
  WorkerMessage,
  { type: "foresee" | "admit" | "learned" | "opened" | "touched" | "ended" }
>;

export interface AdmissionDeskOptions {
  readonly admissions: Admissions;
  readonly send: (message: ControlMessage) => void;
  /** An admission failed by a bug of ours; the worker's own deadline answers its client. */
  readonly onFault: (error: unknown) => void;
}

/** Serves one worker from its start to its end. */
export class AdmissionDesk {
  readonly #options: AdmissionDeskOptions;
  readonly #channels = new Map<string, AdmittedChannel>();
  readonly #opened = new Set<string>();
  #lost: ChannelEnd | null = null;

  constructor(options: AdmissionDeskOptions) {
    this.#options = options;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  receive(message: DeskMessage): void {
    switch (message.type) {
      case "foresee":
        this.#foresee(message).catch(this.#options.onFault);
        break;
      case "admit":
        this.#admit(message.requestId, message.presented).catch(this.#options.onFault);
        break;
      case "learned":
        this.#channels.get(message.channelRef)?.learnConnectionId(message.connectionId);
        break;
      case "opened":
        this.#open(message.channelRef);
        break;
      case "touched":
        for (const channelRef of message.channelRefs) {
          this.#channels.get(channelRef)?.touch();
        }
        break;
      case "ended":
        this.#end(message.channelRef, message.end as ChannelEnd);
        break;
    }
  }

  /** The worker is gone: all that it carried has ended so. */
  lose(end: ChannelEnd): void {
    this.#lost = end;
    for (const channelRef of this.#channels.keys()) {
      this.#end(channelRef, end);
    }
  }

  async #foresee(message: Extract<DeskMessage, { type: "foresee" }>): Promise<void> {
    const { requestId, clue, from } = message;
    const result = await this.#options.admissions.foresee(clue, from);
    this.#options.send({ type: "foreseen", requestId, result });
  }

  async #admit(requestId: number, presented: Presented): Promise<void> {
    const admitted = await this.#options.admissions.admit(presented);
    if (!admitted.ok) {
      this.#options.send({ type: "refused", requestId, refusal: admitted.error });
      return;
    }
    const channel = admitted.value;
    if (this.#lost !== null) {
      channel.end(this.#lost);
      return;
    }
    const { sessionId, channelRef, target, firewall, signal } = channel;
    this.#channels.set(channelRef, channel);
    this.#options.send({
      type: "admitted",
      requestId,
      channel: { sessionId, channelRef, target, firewall },
    });
    const tellEnd = (): void => {
      if (this.#channels.has(channelRef)) {
        const end = signal.reason as ChannelEnd;
        this.#options.send({ type: "end-channel", channelRef, end });
      }
    };
    signal.addEventListener("abort", tellEnd, { once: true });
    if (signal.aborted) {
      tellEnd();
    }
  }

  #open(channelRef: string): void {
    // Why once: opening twice is a bug, and a worker must not be able to cause it over here.
    const channel = this.#channels.get(channelRef);
    if (channel !== undefined && !this.#opened.has(channelRef)) {
      this.#opened.add(channelRef);
      channel.opened();
    }
  }

  #end(channelRef: string, end: ChannelEnd): void {
    const channel = this.#channels.get(channelRef);
    if (channel !== undefined) {
      this.#channels.delete(channelRef);
      this.#opened.delete(channelRef);
      channel.end(end);
    }
  }
}
