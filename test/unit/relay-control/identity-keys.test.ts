/**
 * A relay's change of its identity key, with a death injected before and behind every step on
 * either side: whatever is lost, the relay that comes back gets in, and the change comes to an end.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fail, ok, type Result } from "#shared/base/result.ts";
import {
  keyOfferStatement,
  type RelayAnswer,
  type RelayRequest,
  type RequestFailure,
} from "#shared/control/relay-requests.ts";
import { IdentityKeys } from "../../../relay/control/identity-keys.ts";
import { publicKeyOf } from "../../../relay/control/relay-keys.ts";
import { keepingLog } from "./memory-disk.ts";

const RELAY_ID = "rly_AAAAAAAAAAAAAAAAAAAAAA";
const AUDIENCE = "https://kerbside.test";
const DAY_MS = 24 * 3_600_000;
const OFFLINE: RequestFailure = { code: "control.offline", detail: "lost" };

/** What dies, and when: the relay's own steps are numbered in the order in which they come. */
class Deaths {
  #left: number;
  readonly #died = Promise.withResolvers<void>();

  constructor(stepsToLive: number) {
    this.#left = stepsToLive;
  }

  /** A moment at which the machine may die: nothing that follows happens any more. */
  async moment(): Promise<void> {
    if (this.#left <= 0) {
      this.#died.resolve();
      await new Promise(() => {});
    }
    this.#left -= 1;
  }

  /** What the process did, until it was done or dead; the value is whether it is dead. */
  async outlast(work: Promise<unknown>): Promise<boolean> {
    return await Promise.race([work.then(() => false), this.#died.promise.then(() => true)]);
  }
}

/** The control plane as far as it matters: two keys, and what makes one of them count. */
class FakeControl {
  present: string;
  next: string | null = null;
  readonly offers: string[] = [];

  constructor(present: KeyObject) {
    this.present = publicKeyOf(present);
  }

  /** A token here is the public key that signed it. A connection with the next key is its use. */
  admits(token: string): boolean {
    if (token === this.next) {
      this.present = token;
      this.next = null;
    }
    return token === this.present;
  }

  serve(request: RelayRequest): Result<RelayAnswer, RequestFailure> {
    if (request.kind === "offer-key") {
      const { publicKey, oldSignature, newSignature } = request;
      const about = { audience: AUDIENCE, relayId: RELAY_ID };
      const statement = keyOfferStatement({ ...about, oldKey: this.present, newKey: publicKey });
      const isSigned =
        isSignedBy(this.present, statement, oldSignature) &&
        isSignedBy(publicKey, statement, newSignature);
      if (!isSigned) {
        return fail({ code: "relay.key-refused", detail: "" });
      }
      this.offers.push(publicKey);
      this.next = publicKey;
    } else if (request.kind === "use-key" && !this.admits(request.token)) {
      return fail({ code: "relay.key-refused", detail: "" });
    }
    return ok({ kind: "done" });
  }
}

function isSignedBy(x: string, statement: string, signature: string): boolean {
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verify(null, Buffer.from(statement), key, Buffer.from(signature, "base64url"));
}

/** A state folder that outlives processes. */
class Folder {
  present: string;
  next: string | null = null;
  /** What moving and storing say; null: they work. */
  failure: string | null = null;

  constructor() {
    const { privateKey } = generateKeyPairSync("ed25519");
    this.present = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  }

  disk(deaths: Deaths) {
    return {
      storeNextKey: async (pem: string): Promise<Result<null, string>> => {
        await deaths.moment();
        if (this.failure === null) {
          this.next = pem;
        }
        await deaths.moment();
        return this.failure === null ? ok(null) : fail(this.failure);
      },
      promoteNextKey: async (): Promise<Result<null, string>> => {
        await deaths.moment();
        if (this.failure === null && this.next !== null) {
          this.present = this.next;
          this.next = null;
        }
        await deaths.moment();
        return this.failure === null ? ok(null) : fail(this.failure);
      },
    };
  }
}

class Bench {
  readonly folder = new Folder();
  readonly control = new FakeControl(createPrivateKey(this.folder.present));
  readonly counted: string[] = [];
  nowMs = 0;
  /** How the link loses what passes over it. */
  loses: "nothing" | "requests" | "answers" = "nothing";

  /** A process of the relay, which dies after so many moments. */
  start(options: { readonly stepsToLive?: number; readonly lifeMs?: number | null } = {}) {
    const deaths = new Deaths(options.stepsToLive ?? Infinity);
    const { present, next } = this.folder;
    const keys = new IdentityKeys({
      relayId: RELAY_ID,
      controlUrl: AUDIENCE,
      present: createPrivateKey(present),
      presentSinceMs: 0,
      next: next === null ? null : createPrivateKey(next),
      lifeMs: options.lifeMs ?? null,
      ask: async (request) => {
        await deaths.moment();
        if (this.loses === "requests") {
          return fail(OFFLINE);
        }
        const answer = this.control.serve(request);
        await deaths.moment();
        return this.loses === "answers" ? fail(OFFLINE) : answer;
      },
      signToken: async (key) => publicKeyOf(key),
      disk: this.folder.disk(deaths),
      count: (outcome) => this.counted.push(outcome),
      log: keepingLog(),
      nowMs: () => this.nowMs,
      chance: () => 0,
    });
    return { keys, deaths };
  }

  /** Connects as the link does, until it is let in; the value is how often it was refused. */
  async connect(keys: IdentityKeys): Promise<number> {
    for (let refusals = 0; refusals < 4; refusals += 1) {
      if (this.control.admits(await keys.signToken())) {
        await keys.welcomed();
        return refusals;
      }
      keys.refused();
    }
    throw new Error("the relay has locked itself out");
  }
}

describe("a change of the relay's key", () => {
  it("makes the control plane and the disk agree on a new one, which nobody else made", async () => {
    const bench = new Bench();
    const before = bench.control.present;
    const { keys } = bench.start();
    await bench.connect(keys);
    const rotated = await keys.rotate();
    expect(rotated).toEqual({ ok: true, value: keys.fingerprint });
    expect(bench.control.present).not.toBe(before);
    expect(bench.control.next).toBeNull();
    expect(publicKeyOf(createPrivateKey(bench.folder.present))).toBe(bench.control.present);
    expect(bench.folder.next).toBeNull();
    expect(await bench.connect(keys)).toBe(0);
    expect(bench.counted).toEqual(["done"]);
  });

  it("is one change when it is asked for twice at once", async () => {
    const bench = new Bench();
    const { keys } = bench.start();
    const [one, two] = await Promise.all([keys.rotate(), keys.rotate()]);
    expect(one).toEqual(two);
    expect(bench.control.offers).toHaveLength(1);
  });
});

// Storing, the offer, its use, moving: each has a moment before and one behind it.
const MOMENTS_ALL = 8;
const MOMENTS = Array.from({ length: MOMENTS_ALL + 1 }, (_, moment) => moment);

describe("a death in a change of the relay's key", () => {
  it.each(MOMENTS)(
    "after %i moments leaves a relay that gets in and ends the change",
    async (moment) => {
      const bench = new Bench();
      const dying = bench.start({ stepsToLive: moment });
      await bench.connect(dying.keys);
      const isDead = await dying.deaths.outlast(dying.keys.rotate());
      expect(isDead).toBe(moment < MOMENTS_ALL);
      const { keys } = bench.start();
      // One refusal at most: the other key is tried next.
      expect(await bench.connect(keys)).toBeLessThanOrEqual(1);
      await keys.tick();
      expect(await bench.connect(keys)).toBe(0);
      expect(bench.folder.next).toBeNull();
      expect(bench.control.next).toBeNull();
      expect(publicKeyOf(createPrivateKey(bench.folder.present))).toBe(bench.control.present);
    },
  );

  it.each(MOMENTS.flatMap((first) => MOMENTS.map((second) => [first, second] as const)))(
    "after %i moments, and of the next process after %i, does no harm either",
    async (first, second) => {
      const bench = new Bench();
      const one = bench.start({ stepsToLive: first });
      await one.deaths.outlast(one.keys.rotate());
      const two = bench.start({ stepsToLive: second });
      await two.deaths.outlast(bench.connect(two.keys).then(() => two.keys.tick()));
      const { keys } = bench.start();
      expect(await bench.connect(keys)).toBeLessThanOrEqual(1);
      await keys.rotate();
      expect(await bench.connect(keys)).toBe(0);
      expect(publicKeyOf(createPrivateKey(bench.folder.present))).toBe(bench.control.present);
    },
  );
});

describe("a link that is lost in a change of the relay's key", () => {
  it.each(["requests", "answers"] as const)("with its %s leaves either key good", async (loses) => {
    const bench = new Bench();
    const { keys } = bench.start();
    await bench.connect(keys);
    bench.loses = loses;
    expect(await keys.rotate()).toEqual({ ok: false, error: "control.offline: lost" });
    bench.loses = "nothing";
    expect(await bench.connect(keys)).toBe(0);
    await keys.tick();
    expect(bench.folder.next).toBeNull();
    expect(publicKeyOf(createPrivateKey(bench.folder.present))).toBe(bench.control.present);
  });

  it("with the answer to its use alone has changed the key: the next connection ends it", async () => {
    const bench = new Bench();
    const { keys } = bench.start();
    let asked = 0;
    const serve = bench.control.serve.bind(bench.control);
    bench.control.serve = (request) => {
      asked += 1;
      const answer = serve(request);
      return asked === 2 ? fail(OFFLINE) : answer;
    };
    expect(await keys.rotate()).toMatchObject({ ok: false });
    expect(bench.folder.next).not.toBeNull();
    expect(await bench.connect(keys)).toBe(0);
    expect(bench.folder.next).toBeNull();
    expect(publicKeyOf(createPrivateKey(bench.folder.present))).toBe(bench.control.present);
  });
});

describe("a disk that fails in a change of the relay's key", () => {
  it("before anything is offered changes nothing", async () => {
    const bench = new Bench();
    const { keys } = bench.start();
    bench.folder.failure = "the disk is full";
    expect(await keys.rotate()).toEqual({ ok: false, error: "the disk is full" });
    expect(bench.control.offers).toEqual([]);
    expect(await bench.connect(keys)).toBe(0);
  });

  it("behind it keeps the only good key from being overwritten by a further one", async () => {
    const bench = new Bench();
    const { keys } = bench.start();
    const serve = bench.control.serve.bind(bench.control);
    bench.control.serve = (request) => {
      bench.folder.failure = request.kind === "use-key" ? "the disk is full" : null;
      return serve(request);
    };
    expect(await keys.rotate()).toMatchObject({ ok: false });
    expect(await keys.rotate()).toEqual({ ok: false, error: "the disk is full" });
    expect(bench.control.offers).toHaveLength(1);
    // A process that dies now comes back.
    const { keys: later } = bench.start();
    expect(await bench.connect(later)).toBe(1);
    // The one that lives makes up for it.
    bench.folder.failure = null;
    await keys.tick();
    expect(publicKeyOf(createPrivateKey(bench.folder.present))).toBe(bench.control.present);
  });
});

describe("the age of the relay's key", () => {
  it("has it changed when it is as old as it may be, and not before", async () => {
    const bench = new Bench();
    const { keys } = bench.start({ lifeMs: 90 * DAY_MS });
    bench.nowMs = 90 * DAY_MS - 1;
    await keys.tick();
    expect(bench.control.offers).toEqual([]);
    bench.nowMs += 1;
    await keys.tick();
    await keys.tick();
    expect(bench.control.offers).toHaveLength(1);
  });

  it("is no matter when it may be as old as it likes", async () => {
    const bench = new Bench();
    const { keys } = bench.start();
    bench.nowMs = 10_000 * DAY_MS;
    await keys.tick();
    expect(bench.control.offers).toEqual([]);
  });

  it("has a change that fails tried again, with pauses that grow", async () => {
    const bench = new Bench();
    const { keys } = bench.start({ lifeMs: 1 });
    bench.loses = "requests";
    const tries: number[] = [];
    for (bench.nowMs = 1; bench.nowMs < 20 * 60_000; bench.nowMs += 10_000) {
      const before = bench.counted.length;
      await keys.tick();
      if (bench.counted.length > before) {
        tries.push(Math.round(bench.nowMs / 1000));
      }
    }
    expect(tries).toEqual([0, 30, 90, 210, 450, 930]);
  });
});
