import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY, mergePolicy, type PartialPolicy } from "#shared/policy/policy.ts";
import { type Grant, grantSchema } from "#shared/ticket/grant.ts";
import { signGrant } from "../../../worker/services/grant-signer.ts";
import { activeSigningKey } from "../../../worker/services/signing-keys.ts";
import { startControlServices } from "../../harness/control-services.ts";

const ADDRESS = {
  host: "10.0.0.5",
  port: 5900,
  tlsPort: null,
  ca: null,
  hostSubject: null,
  sealedPassword: null,
};

/** A grant's payload as it is sent, and as a relay of this version reads it. */
async function sent(policy: PartialPolicy, proxy: string | null) {
  await using services = await startControlServices();
  const grant: Grant = {
    ...{ iss: "https://kerbside.example", aud: "rly_1", sub: "usr_1", jti: "grt_1" },
    ...{ iat: 1, exp: 2, sessionId: "ses_1", consoleId: "con_1", ticketHash: "h".repeat(43) },
    target: { ...ADDRESS, proxy },
    policy: mergePolicy(DEFAULT_POLICY, policy),
  };
  const signingKey = await activeSigningKey(services.context);
  if (!signingKey.ok) {
    throw new Error(signingKey.error.code);
  }
  const payload = decodeJwt(await signGrant(signingKey.value, grant));
  expect(grantSchema.parse(payload)).toEqual(grant);
  return payload;
}

describe("a grant on its way to a relay", () => {
  it("says nothing of what a relay of an earlier version does not know and need not keep", async () => {
    const { target, policy } = await sent({}, null);
    expect([target, policy]).toEqual([ADDRESS, { channels: null }]);
  });

  it("says every rule that differs, and the proxy", async () => {
    const rules = { channels: ["main" as const], idleS: 60, firewall: "observe" as const };
    const proxy = "http://pve:3128";
    const { target, policy } = await sent(rules, proxy);
    expect([target, policy]).toEqual([{ ...ADDRESS, proxy }, rules]);
  });
});
