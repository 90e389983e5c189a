/** The upkeep of a relay's keys: one look at a time, and a part that fails stops no other. */
import "reflect-metadata";
import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fail, ok } from "#shared/base/result.ts";
import type { RelayRequest } from "#shared/control/relay-requests.ts";
import type { AskControlPlane } from "../../../relay/control/certificate-renewal.ts";
import { Upkeep } from "../../../relay/control/upkeep.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";
import { countingBytes, keepingLog } from "./memory-disk.ts";

/** A linked relay whose certificate and whose identity key are both due, asking that control plane. */
async function start(answer: AskControlPlane) {
  const log = keepingLog();
  const asked: RelayRequest["kind"][] = [];
  const { cert, key, ca, hostSubject } = await makeIdentity();
  const record = { format: 1, relayId: "rly_1", name: "relay", tlsPort: 1 } as const;
  const urls = { controlUrl: "https://kerbside.test", linkUrl: "wss://kerbside.test" };
  const upkeep = new Upkeep({
    identity: {
      ...{ ...record, ...urls, hostSubject, ca, tls: { cert, key } },
      host: "not-named.example",
      identityKey: generateKeyPairSync("ed25519").privateKey,
      identityKeySinceMs: 0,
      nextIdentityKey: null,
    },
    own: null,
    keyLifeMs: 1,
    disk: {
      storeTls: async () => ok(null),
      storeNextKey: async () => ok(null),
      promoteNextKey: async () => ok(null),
    },
    ask: async (request) => {
      asked.push(request.kind);
      return await answer(request);
    },
    isLinked: () => true,
    show: () => undefined,
    count: () => undefined,
    log,
    nowMs: () => Date.now(),
    chance: () => 0,
    randomBytes: countingBytes(),
  });
  return { upkeep, asked, log };
}

const OFFLINE = fail({ code: "control.offline", detail: "lost" } as const);

describe("upkeep", () => {
  it("does one thing after the other, also when it is woken again meanwhile", async () => {
    const asking = Promise.withResolvers<void>();
    const answering = Promise.withResolvers<typeof OFFLINE>();
    const { upkeep, asked } = await start(() => {
      asking.resolve();
      return answering.promise;
    });
    const first = upkeep.tick();
    await asking.promise;
    await upkeep.tick();
    expect(asked).toEqual(["renew-certificate"]);
    answering.resolve(OFFLINE);
    await first;
    expect(asked).toEqual(["renew-certificate", "offer-key"]);
  });

  it("goes on with the next part, and the next time, when one throws", async () => {
    const { upkeep, asked, log } = await start(async ({ kind }) => {
      if (kind === "renew-certificate") {
        throw new Error("a bug");
      }
      return OFFLINE;
    });
    await upkeep.tick();
    expect(asked).toEqual(["renew-certificate", "offer-key"]);
    const failure = { level: "error", name: "upkeep.failed", fields: { detail: "a bug" } };
    expect(log.lines).toContainEqual(failure);
    await upkeep.tick();
    expect(asked.at(-1)).toBe("renew-certificate");
  });
});
