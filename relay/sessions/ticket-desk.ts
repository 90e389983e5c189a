/**
 * What a ticket is worth: its MAC, its grant (held, or asked of the control plane), its use. Takes
 * grants in, and unseals the passwords that they carry. Knows no session, and tells of nothing.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type Denial, subjectsOfGrant } from "#shared/control/denials.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { unseal } from "#shared/ticket/seal.ts";
import { sessionLabel } from "#shared/ticket/session-label.ts";
import { authenticateTicket, hashTicket, parseTicket } from "#shared/ticket/ticket.ts";
import type { MainFacts } from "./admission-rules.ts";
import { DENIED_DETAIL, DenialList } from "./denial-list.ts";
import { GrantStore, type GrantStoreLimits, type HeldGrant } from "./grant-store.ts";
import type { KeyRing, RelayKeys } from "./key-ring.ts";
import type { DialTarget, GrantLookup } from "./ports.ts";
import { SharedLookup } from "./shared-lookup.ts";
import { verifyGrant } from "./verify-grant.ts";

export interface TicketDeskOptions {
  readonly keyRing: KeyRing;
  readonly lookup: GrantLookup;
  readonly limits: GrantStoreLimits & {
    readonly lookupsOpenMax: number;
    readonly lookupDeadlineMs: number;
    readonly denialsMax: number;
  };
  readonly nowMs: () => number;
}

/** A ticket that some key vouches for, or whose very hash was granted to this relay. */
export interface AuthenticTicket {
  readonly hash: string;
  readonly expiresAtMs: number;
}

/** Tickets and their grants. */
export class TicketDesk {
  readonly store: GrantStore;
  readonly denials: DenialList;
  readonly #options: TicketDeskOptions;
  readonly #lookup: SharedLookup;

  constructor(options: TicketDeskOptions) {
    this.#options = options;
    this.store = new GrantStore(options.limits);
    this.denials = new DenialList(options.limits);
    this.#lookup = new SharedLookup(options.lookup, options.limits);
    options.keyRing.onReplace((keys) => {
      // The control plane has voided what none of these keys signed.
      const kids = new Set(keys.grantKeys.map(({ kid }) => kid));
      this.store.dropWhere(({ kid }) => !kids.has(kid));
    });
  }

  /**
   * Judges a ticket by its MAC, without any look-up.
   * @param opensLiving whether the ticket with that hash opened a session that lives.
   */
  async authenticate(
    password: string,
    opensLiving: (hash: string) => boolean,
  ): Promise<Result<AuthenticTicket, TicketRefusalReason>> {
    const ticket = parseTicket(password);
    if (ticket === null) {
      return fail("malformed");
    }
    const keys = this.#options.keyRing.current();
    if (keys === null) {
      return fail("unverifiable");
    }
    const judged = await authenticateTicket(password, keys.ticketKeys);
    if (!judged.ok && judged.error !== "foreign") {
      return fail(judged.error);
    }
    const hash = await hashTicket(password);
    // A ticket of another relay's key counts when its very hash was granted to this relay.
    if (!judged.ok && this.store.sessionOf(hash) === null && !opensLiving(hash)) {
      return fail("foreign");
    }
    return ok({ hash, expiresAtMs: ticket.expiresAtS * 1000 });
  }

  /** What is known of an authentic ticket itself. */
  facts(ticket: AuthenticTicket): Pick<MainFacts, "expired" | "used" | "held"> {
    const nowMs = this.#options.nowMs();
    const held = this.store.held(ticket.hash);
    const isGrantOver = held !== null && nowMs >= held.grant.exp * 1000;
    return {
      expired: nowMs >= ticket.expiresAtMs || isGrantOver,
      used: this.store.isUsed(ticket.hash),
      held: held !== null,
    };
  }

  /** Null when the control plane was asked and a grant for the ticket is now held, else why not. */
  async lookUp(hash: string): Promise<TicketRefusalReason | null> {
    const answer = await this.#lookup.find(hash);
    const keys = this.#options.keyRing.current();
    assert(keys !== null, "an authentic ticket needs keys");
    if (!answer.ok) {
      return answer.error;
    }
    if (this.#isKnown(hash)) {
      return null;
    }
    const read = await this.#read(answer.value, keys);
    if (!read.ok || read.value.grant.ticketHash !== hash) {
      return "unverifiable";
    }
    const voided = this.#whyVoid(read.value);
    if (voided !== null) {
      return voided.code === "control.denied" ? "unknown" : "unverifiable";
    }
    // Another one may have come first: replacing it would void what others wait with.
    if (!this.#isKnown(hash)) {
      this.store.hold(read.value, this.#options.nowMs());
    }
    return null;
  }

  /** Takes a pushed grant; the failure says why it is not valid here. */
  async take(jws: string): Promise<Failure | null> {
    const keys = this.#options.keyRing.current();
    if (keys === null) {
      return { code: "control.grant-invalid", detail: "no keys to verify it with yet" };
    }
    const read = await this.#read(jws, keys);
    if (!read.ok) {
      return read.error;
    }
    const voided = this.#whyVoid(read.value);
    if (voided === null) {
      this.store.hold(read.value, this.#options.nowMs());
    }
    return voided;
  }

  /** Learns of denials, and drops the grants that they make void. */
  deny(denials: readonly Denial[], revision: number): void {
    this.denials.add(denials, revision);
    this.store.dropWhere(({ grant }) => this.#isDenied(grant));
  }

  /** Where the grant's console is; null when no key of this relay unseals its password. */
  async unsealTarget({ grant }: HeldGrant): Promise<DialTarget | null> {
    const { sealedPassword } = grant.target;
    const password = sealedPassword === null ? "" : await this.#unseal(sealedPassword);
    return password === null ? null : targetOf(grant, password);
  }

  /** Tries each epoch's key, the newest first. */
  async #unseal(sealed: string): Promise<string | null> {
    for (const key of this.#options.keyRing.current()?.sealKeys ?? []) {
      const plain = await unseal(key, sealed);
      if (plain !== null) {
        return plain;
      }
    }
    return null;
  }

  /** A grant's content, when its signature and its rules are good. */
  async #read(jws: string, keys: RelayKeys): Promise<Result<HeldGrant, Failure>> {
    const verified = await verifyGrant(jws, keys, this.#options.nowMs());
    return verified.ok
      ? ok({ ...verified.value, label: await sessionLabel(verified.value.grant.ticketHash) })
      : verified;
  }

  /**
   * Why a grant that was read is good no more; null: it is. Asked in the same turn in which it is
   * held, because keys and denials may have come while it was read.
   */
  #whyVoid({ grant, kid }: HeldGrant): Failure | null {
    if (this.#options.keyRing.current()?.grantKeys.some((key) => key.kid === kid) !== true) {
      return { code: "control.grant-invalid", detail: "its key is not accepted any more" };
    }
    return this.#isDenied(grant) ? { code: "control.denied", detail: DENIED_DETAIL } : null;
  }

  #isDenied(grant: Grant): boolean {
    return this.denials.denies(subjectsOfGrant(grant));
  }

  #isKnown(hash: string): boolean {
    return this.store.held(hash) !== null || this.store.isUsed(hash);
  }
}

/** The grant's target with that password in the place of the sealed one. */
export function targetOf(grant: Grant, password: string): DialTarget {
  const { host, port, tlsPort, ca, hostSubject, proxy } = grant.target;
  return { host, port, tlsPort, ca, hostSubject, proxy, password };
}
