/** The control plane's part in tests: keys, tickets and signed grants, without any network. */
import { randomBytes } from "node:crypto";
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import { toBase64Url } from "#shared/base/bytes.ts";
import { newId } from "#shared/base/ids.ts";
import type { Welcome } from "#shared/control/contract.ts";
import { DEFAULT_POLICY, type Policy } from "#shared/policy/policy.ts";
import { GRANT_TYPE, type Target } from "#shared/ticket/grant.ts";
import { seal } from "#shared/ticket/seal.ts";
import { hashTicket, mintTicket, type TicketKey } from "#shared/ticket/ticket.ts";
import { KeyRing, keysFromWelcome, type RelayKeys } from "../../../relay/sessions/key-ring.ts";

export const RELAY_ID = "rly_AAAAAAAAAAAAAAAAAAAAAA";
export const ISSUER = "https://kerbside.example.test";

export interface IssueOptions {
  readonly target?: Partial<Target>;
  /** The hypervisor's password in clear; it is sealed into the grant. */
  readonly password?: string | null;
  /** What the default policy does not say. */
  readonly policy?: Partial<Policy>;
  /** When the session has to be over, in milliseconds since 1970. */
  readonly notAfterMs?: number;
  readonly consoleId?: string;
  /** The user. */
  readonly userId?: string;
  readonly expiresInS?: number;
  readonly sessionId?: string;
  /** Signed with another key, for another audience, of another type: an invalid grant. */
  readonly audience?: string;
  readonly type?: string;
  readonly issuer?: string;
  readonly signWith?: CryptoKey;
  readonly ticketKey?: TicketKey;
  readonly ticketHash?: string;
  readonly sealKey?: Uint8Array<ArrayBuffer>;
}

export interface Issued {
  readonly ticket: string;
  readonly hash: string;
  readonly grant: string;
  readonly sessionId: string;
  readonly consoleId: string;
}

/** Keys of one relay, and what can be issued with them. */
export class FakeControl {
  readonly ring = new KeyRing();
  readonly keys: RelayKeys;
  readonly #signingKey: CryptoKey;
  readonly #nowMs: () => number;

  constructor(keys: RelayKeys, signingKey: CryptoKey, nowMs: () => number) {
    this.keys = keys;
    this.#signingKey = signingKey;
    this.#nowMs = nowMs;
    this.ring.replace(keys);
  }

  get ticketKey(): TicketKey {
    const [key] = this.keys.ticketKeys;
    if (key === undefined) {
      throw new Error("no ticket key");
    }
    return key;
  }

  async issue(options: IssueOptions = {}): Promise<Issued> {
    const nowS = Math.floor(this.#nowMs() / 1000);
    const expiresAtS = nowS + (options.expiresInS ?? 60);
    const ticket = await mintTicket(options.ticketKey ?? this.ticketKey, {
      ticketId: new Uint8Array(randomBytes(12)),
      expiresAtS,
    });
    const hash = await hashTicket(ticket);
    const sessionId = options.sessionId ?? newId("session", randomBytes);
    const consoleId = options.consoleId ?? newId("console", randomBytes);
    const password = options.password === undefined ? "sekret" : options.password;
    const target = {
      host: "127.0.0.1",
      port: 1,
      tlsPort: null,
      ca: null,
      hostSubject: null,
      proxy: null,
      sealedPassword: password === null ? null : await this.#seal(password, options.sealKey),
      ...options.target,
    };
    const grant = await new SignJWT({
      sessionId,
      consoleId,
      ticketHash: options.ticketHash ?? hash,
      target,
      policy: { ...DEFAULT_POLICY, ...options.policy },
      ...(options.notAfterMs === undefined ? {} : { notAfterMs: options.notAfterMs }),
    })
      .setProtectedHeader({ alg: "EdDSA", typ: options.type ?? GRANT_TYPE, kid: "k1" })
      .setIssuer(options.issuer ?? ISSUER)
      .setAudience(options.audience ?? RELAY_ID)
      .setSubject(options.userId ?? newId("user", randomBytes))
      .setJti(newId("grant", randomBytes))
      .setIssuedAt(nowS)
      .setExpirationTime(expiresAtS)
      .sign(options.signWith ?? this.#signingKey);
    return { ticket, hash, grant, sessionId, consoleId };
  }

  async #seal(password: string, sealKey?: Uint8Array<ArrayBuffer>): Promise<string> {
    const key = sealKey ?? this.keys.sealKeys[0];
    if (key === undefined) {
      throw new Error("no seal key");
    }
    return seal(key, password, randomBytes);
  }
}

/** Makes the keys of one relay. */
export async function makeControl(nowMs: () => number = Date.now): Promise<FakeControl> {
  return (await makeControlWithWelcome(nowMs)).control;
}

/** The keys of one relay, and the part of a welcome that gives it them. */
export async function makeControlWithWelcome(nowMs: () => number = Date.now): Promise<{
  readonly control: FakeControl;
  readonly welcome: Pick<Welcome, "ticketKeys" | "grantKeys" | "grantIssuer">;
}> {
  const pair = await generateKeyPair("EdDSA");
  const jwk = await exportJWK(pair.publicKey);
  const welcome = {
    ticketKeys: [
      {
        keyId: toBase64Url(randomBytes(4)),
        key: toBase64Url(randomBytes(32)),
        sealKey: toBase64Url(randomBytes(32)),
      },
    ],
    grantKeys: [{ kty: "OKP" as const, crv: "Ed25519" as const, x: jwk.x ?? "", kid: "k1" }],
    grantIssuer: ISSUER,
  };
  const keys = await keysFromWelcome(welcome, RELAY_ID);
  if (!keys.ok) {
    throw new Error(keys.error);
  }
  return { control: new FakeControl(keys.value, pair.privateKey, nowMs), welcome };
}

/** A ticket key that belongs to no relay of the test. */
export function makeTicketKey(): TicketKey {
  return { keyId: new Uint8Array(randomBytes(4)), key: new Uint8Array(randomBytes(32)) };
}
