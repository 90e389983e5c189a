/**
 * The Admissions port inside a worker process: asks the control process, which alone knows keys,
 * grants and sessions. Promises that each question settles by its deadline, that an admission which
 * came too late is given back, that an open channel holds no password, and that one which ended
 * says nothing any more.
 */
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type {
  Admissions,
  AdmittedChannel,
  ChannelEnd,
  DialTarget,
  ForeseenSession,
  Presented,
  Refusal,
  SessionClue,
} from "../sessions/ports.ts";
import type { AdmittedFacts, ControlMessage, WorkerMessage } from "./messages.ts";

export interface RemoteAdmissionsOptions {
  readonly send: (message: WorkerMessage) => void;
  /** How long the control process may take for an answer. */
  readonly deadlineMs: number;
}

type Answer = Extract<ControlMessage, { type: "foreseen" | "admitted" | "refused" }>;

interface Question {
  readonly settle: (answer: Answer | null) => void;
  readonly timer: NodeJS.Timeout;
}

/** One worker's questions, and the channels that it was given. */
export class RemoteAdmissions implements Admissions {
  readonly #options: RemoteAdmissionsOptions;
  readonly #questions = new Map<number, Question>();
  readonly #channels = new Map<string, AbortController>();
  readonly #touched = new Set<string>();
  #questionCount = 0;

  constructor(options: RemoteAdmissionsOptions) {
    this.#options = options;
  }

  async foresee(
    clue: SessionClue,
    from?: Pick<Presented, "channel" | "clientAddress">,
  ): Promise<Result<ForeseenSession | null, Refusal>> {
    const giver = from === undefined ? {} : { from };
    const answer = await this.#ask((requestId) => ({
      type: "foresee",
      requestId,
      clue,
      ...giver,
    }));
    return answer?.type === "foreseen" ? answer.result : fail(NO_ANSWER);
  }

  async admit(presented: Presented): Promise<Result<AdmittedChannel, Refusal>> {
    const answer = await this.#ask((requestId) => ({ type: "admit", requestId, presented }));
    if (answer?.type === "admitted") {
      return ok(this.#makeChannel(answer.channel));
    }
    return fail(answer?.type === "refused" ? answer.refusal : NO_ANSWER);
  }

  /** The control process answered. */
  answered(answer: Answer): void {
    const question = this.#questions.get(answer.requestId);
    if (question !== undefined) {
      this.#questions.delete(answer.requestId);
      clearTimeout(question.timer);
      if (answer.type === "admitted") {
        // At once: the next message may already end it, before its asker has run.
        this.#channels.set(answer.channel.channelRef, new AbortController());
      }
      question.settle(answer);
    } else if (answer.type === "admitted") {
      // Nobody waits for it any more: its room must become free.
      const { channelRef } = answer.channel;
      this.#options.send({ type: "ended", channelRef, end: TOO_LATE });
    }
  }

  /** The control process wants a channel to end; unknown: it has ended already. */
  endChannel(channelRef: string, end: ChannelEnd): void {
    this.#channels.get(channelRef)?.abort(end);
  }

  /** Tells which channels something flowed on; called about once a second. */
  tellTouched(): void {
    if (this.#touched.size > 0) {
      this.#options.send({ type: "touched", channelRefs: [...this.#touched] });
      this.#touched.clear();
    }
  }

  #ask(makeMessage: (requestId: number) => WorkerMessage): Promise<Answer | null> {
    this.#questionCount += 1;
    const requestId = this.#questionCount;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#questions.delete(requestId);
        resolve(null);
      }, this.#options.deadlineMs);
      this.#questions.set(requestId, { settle: resolve, timer });
      this.#options.send(makeMessage(requestId));
    });
  }

  #makeChannel(facts: AdmittedFacts): AdmittedChannel {
    const { channelRef } = facts;
    const abort = this.#channels.get(channelRef);
    assert(abort !== undefined, "an admitted channel is known since its answer came");
    const tell = (message: WorkerMessage): void => {
      if (this.#channels.has(channelRef)) {
        this.#options.send(message);
      }
    };
    const { sessionId, firewall } = facts;
    let target: DialTarget | null = facts.target;
    return {
      sessionId,
      channelRef,
      firewall,
      get target(): DialTarget {
        assert(target !== null, "an open channel's target is let go");
        return target;
      },
      signal: abort.signal,
      learnConnectionId: (connectionId) => tell({ type: "learned", channelRef, connectionId }),
      opened: () => {
        target = null;
        tell({ type: "opened", channelRef });
      },
      touch: () => {
        if (this.#channels.has(channelRef)) {
          this.#touched.add(channelRef);
        }
      },
      end: (end) => {
        tell({ type: "ended", channelRef, end: copyEnd(end) });
        this.#channels.delete(channelRef);
        this.#touched.delete(channelRef);
      },
    };
  }
}

/** Mutable arrays, as the checked message has them. */
function copyEnd(end: ChannelEnd): Extract<WorkerMessage, { type: "ended" }>["end"] {
  const { findings, ...rest } = end;
  return findings === undefined ? rest : { ...rest, findings: [...findings] };
}

const NO_ANSWER: Refusal = {
  code: "internal.error",
  detail: "the relay's control process did not answer in time",
  holdMs: 0,
};
const TOO_LATE = {
  by: "relay",
  code: "internal.error",
  detail: "the admission came too late",
  clientBytes: 0,
  serverBytes: 0,
} as const;
