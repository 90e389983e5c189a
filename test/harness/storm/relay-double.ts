/**
 * A relay without a data plane: the real control link, spool and contract over a real socket, and in
 * place of the registry a small one that keeps what it was told and in which order. It finds fault
 * with whatever a hub must never send.
 */
import { type KeyObject, randomBytes } from "node:crypto";
import { ok, type Result } from "#shared/base/result.ts";
import type { Command, Welcome } from "#shared/control/contract.ts";
import { type Denial, type GrantSubjects, isVoidedBy } from "#shared/control/denials.ts";
import { ENFORCEMENTS } from "#shared/policy/enforcement.ts";
import { CONTROL_LOG, type ControlLog } from "../../../relay/control/control-log.ts";
import { relayLinkUrl } from "../../../relay/control/control-url.ts";
import { ControlLink } from "../../../relay/control/link.ts";
import { signRelayToken } from "../../../relay/control/relay-token.ts";
import { Spool } from "../../../relay/control/spool.ts";
import { describeCommand, type QueuedGrant } from "../../../worker/hub/outbox-entry.ts";
import { memoryDisk } from "../../unit/relay-control/memory-disk.ts";

/** Who a double is, as the database knows it. */
export interface DoubleIdentity {
  readonly id: string;
  readonly identityKey: KeyObject;
  /** Sessions that live there from the start. */
  readonly living: readonly GrantSubjects[];
}

/** A command as it came. */
export interface AppliedCommand {
  readonly kind: Command["kind"];
  /** The session that it is about; null for denials and drains. */
  readonly sessionId: string | null;
  /** Which link brought it, from 1. */
  readonly link: number;
  /** By `performance.now()`. */
  readonly atMs: number;
}

export class RelayDouble implements AsyncDisposable {
  readonly id: string;
  readonly applied: AppliedCommand[] = [];
  /** When each link was welcomed, by `performance.now()`. */
  readonly linkedAtMs: number[] = [];
  /** Sessions that ended here, in order; one that ends twice stands here twice. */
  readonly ended: string[] = [];
  /** What a hub must never have sent, each as a sentence. */
  readonly faults: string[] = [];
  /** Grants that nobody has used. */
  readonly held = new Map<string, QueuedGrant>();
  readonly living = new Map<string, GrantSubjects>();
  /** Denials by revision would be enough for a relay; what was said of whom is easier to ask. */
  readonly #denials = new Map<string, Denial>();
  readonly #terminated = new Set<string>();
  readonly #onApplied: (command: AppliedCommand) => void;
  readonly #link: ControlLink;
  readonly #spool: Spool;
  #reachableAtMs = 0;

  /** @param onApplied hears of each command as it is applied */
  constructor(
    identity: DoubleIdentity,
    controlUrl: string,
    onApplied: (command: AppliedCommand) => void = () => {},
  ) {
    this.id = identity.id;
    this.#onApplied = onApplied;
    for (const subjects of identity.living) {
      this.living.set(subjects.sessionId, subjects);
    }
    const log = this.#log();
    const { id: relayId, identityKey } = identity;
    this.#spool = new Spool({ disk: memoryDisk(), relayId, nowMs: Date.now, randomBytes, log });
    this.#link = new ControlLink({
      linkUrl: relayLinkUrl(controlUrl),
      about: {
        build: "double",
        instanceId: `double-${relayId}`,
        channelsMax: 1_000,
        enforces: [...ENFORCEMENTS],
      },
      signToken: async () => {
        if (performance.now() < this.#reachableAtMs) {
          throw new Error("the network is down");
        }
        return await signRelayToken(
          { relayId, controlUrl, identityKey },
          Date.now(),
          (count) => new Uint8Array(randomBytes(count)),
        );
      },
      adopt: (welcome) => this.#adopt(welcome),
      adoptKeys: () => Promise.resolve(ok(null)),
      spool: this.#spool,
      log,
      nowMs: Date.now,
      chance: Math.random,
    });
  }

  start(): void {
    this.#link.start({
      commands: {
        apply: (command) => {
          this.#apply(command);
          return Promise.resolve(null);
        },
      },
      snapshot: () => [...this.living.keys()],
    });
  }

  get isLinked(): boolean {
    return this.#link.isLinked;
  }

  /** Whether the control plane has stored all that the relay had to tell. */
  get hasToldAll(): boolean {
    return this.#spool.pendingCount === 0;
  }

  whenLinked(): Promise<void> {
    return this.#link.whenLinked();
  }

  /** From now on its attempts to link fail, until then by `performance.now()`. */
  cutOffUntil(reachableAtMs: number): void {
    this.#reachableAtMs = reachableAtMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link.close();
    this.#spool.close();
  }

  #adopt(welcome: Welcome): Promise<Result<null, string>> {
    this.#deny(welcome.denials?.denials ?? []);
    return Promise.resolve(ok(null));
  }

  #apply(command: Command): void {
    const { grant, sessionId, denials } = describeCommand(command);
    const about = grant?.sessionId ?? sessionId;
    const link = this.linkedAtMs.length;
    const applied = { kind: command.kind, sessionId: about, link, atMs: performance.now() };
    this.applied.push(applied);
    if (command.kind === "grant") {
      this.#grant(grant);
    } else if (sessionId !== null) {
      this.held.delete(sessionId);
    }
    if (command.kind === "terminate") {
      this.#terminated.add(command.sessionId);
      this.#end(command.sessionId);
    }
    this.#deny(denials);
    this.#onApplied(applied);
  }

  #grant(grant: QueuedGrant | null): void {
    if (grant === null) {
      this.faults.push(`${this.id} was sent a grant that cannot be read`);
      return;
    }
    const what = `${this.id} was sent the grant of ${grant.sessionId}`;
    if (Date.now() >= grant.expiresAtMs) {
      this.faults.push(`${what}, which had expired`);
    }
    if (this.#terminated.has(grant.sessionId)) {
      this.faults.push(`${what}, which it had been told to end`);
    }
    if ([...this.#denials.values()].some((denial) => isVoidedBy(grant, denial))) {
      this.faults.push(`${what}, which it knew to be denied`);
    }
    this.held.set(grant.sessionId, grant);
  }

  #deny(denials: readonly Denial[]): void {
    for (const denial of denials) {
      this.#denials.set(`${denial.subject} ${denial.id}`, denial);
      for (const [sessionId, grant] of this.held) {
        if (isVoidedBy(grant, denial)) {
          this.held.delete(sessionId);
        }
      }
      for (const [sessionId, session] of this.living) {
        if (isVoidedBy(session, denial)) {
          this.#end(sessionId);
        }
      }
    }
  }

  #end(sessionId: string): void {
    if (this.living.delete(sessionId)) {
      this.ended.push(sessionId);
      this.#spool.record({
        type: "session.ended",
        sessionId,
        reason: "terminated",
        detail: "",
        clientBytes: 0,
        serverBytes: 0,
      });
    }
  }

  #log(): ControlLog {
    const complain = (fields: object, name: string): void => {
      this.faults.push(`${this.id}: ${name} ${JSON.stringify(fields)}`);
    };
    return {
      debug: () => {},
      info: (_fields, name) => {
        if (name === CONTROL_LOG.linked) {
          this.linkedAtMs.push(performance.now());
        }
      },
      warn: () => {},
      error: complain,
    };
  }
}
