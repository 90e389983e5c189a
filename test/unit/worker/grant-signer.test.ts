import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fitPolicy, lackingOf, needsOf } from "#shared/policy/enforcement.ts";
import { DEFAULT_POLICY, type Policy } from "#shared/policy/policy.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
import { type Grant, grantSchema, targetSchema } from "#shared/ticket/grant.ts";
import { signGrant } from "../../../worker/services/grant-signer.ts";
import { activeSigningKey } from "../../../worker/services/signing-keys.ts";
import { grantTerms } from "../../../worker/services/ticket-terms.ts";
import { startControlServices } from "../../harness/control-services.ts";

const ADDRESS = {
  host: "10.0.0.5",
  port: 5900,
  tlsPort: null,
  ca: null,
  hostSubject: null,
  sealedPassword: null,
};

/** What relays read that know neither the ends of hours nor any rule that came with them. */
const EARLIER_GRANT = z.object({
  ...grantSchema.omit({ policy: true, notAfterMs: true }).shape,
  target: targetSchema,
  policy: z.strictObject({
    channels: z.array(z.enum(CHANNEL_NAMES)).min(1).nullable().default(null),
    firewall: z.enum(["enforce", "observe"]).default("enforce"),
    secondViewer: z.enum(["refuse", "take-over"]).default("refuse"),
    reconnectWindowS: z.int().min(0).max(3_600).default(0),
    idleS: z.int().min(1).max(604_800).nullable().default(null),
    durationS: z.int().min(1).max(2_592_000).nullable().default(null),
  }),
});

const EXP_S = 1_800_000_000;

/** A grant's payload as it is sent, and as a relay of this version reads it. */
async function sent(policy: Partial<Policy>, more: Partial<Grant> = {}) {
  await using services = await startControlServices();
  const grant: Grant = {
    ...{ iss: "https://kerbside.example", aud: "rly_1", sub: "usr_1", jti: "grt_1" },
    ...{ iat: 1, exp: EXP_S, sessionId: "ses_1", consoleId: "con_1", ticketHash: "h".repeat(43) },
    target: { ...ADDRESS, proxy: null },
    policy: { ...DEFAULT_POLICY, ...policy },
    notAfterMs: null,
    ...more,
  };
  const signingKey = await activeSigningKey(services.context);
  if (!signingKey.ok) {
    throw new Error(signingKey.error.code);
  }
  const payload = decodeJwt(await signGrant(signingKey.value, grant));
  expect(grantSchema.parse(payload)).toEqual(grant);
  return payload;
}

const earlier = { enforces: [] };
const terms = (policy: Partial<Policy>, notAfterMs: number | null = null) => ({
  policy: { ...DEFAULT_POLICY, ...policy },
  notAfterMs,
  needs: [],
  sessionsMax: null,
});

describe("a grant on its way to a relay", () => {
  it("says nothing of what a relay of an earlier version does not know and need not keep", async () => {
    const payload = await sent({});
    expect(payload).toMatchObject({ target: ADDRESS, policy: { channels: null } });
    expect(payload["target"]).not.toHaveProperty("proxy");
    expect(payload).not.toHaveProperty("notAfterMs");
  });

  it("says every rule that differs, the proxy, and its end", async () => {
    const rules = {
      channels: ["main" as const],
      idleS: 60,
      firewall: "observe" as const,
      controlLoss: { strict: 30 },
      input: "deny" as const,
    };
    const target = { ...ADDRESS, proxy: "http://pve:3128" };
    const payload = await sent(rules, { target, notAfterMs: 7 });
    expect(payload).toMatchObject({ target, notAfterMs: 7 });
    expect(payload["policy"]).toEqual(rules);
  });
});

describe("a grant for a relay of an earlier version", () => {
  it("keeps USB redirection away by the channels that are left", async () => {
    const { policy } = grantTerms(terms({ usb: "deny" }), earlier, EXP_S);
    const read = EARLIER_GRANT.parse(await sent(policy));
    expect(read.policy.channels).toEqual(CHANNEL_NAMES.filter((name) => name !== "usbredir"));
    const narrow = grantTerms(terms({ usb: "deny", channels: ["main", "usbredir"] }), earlier, 1);
    expect(narrow.policy.channels).toEqual(["main"]);
  });

  it("ends with the hours however late it is opened, or before by its own length", async () => {
    const notAfterMs = EXP_S * 1000 + 3_600_500;
    const late = grantTerms(terms({}, notAfterMs), earlier, EXP_S);
    const read = EARLIER_GRANT.parse(await sent(late.policy, { notAfterMs: late.notAfterMs }));
    // A relay may be dialling for half a minute after the ticket's last second.
    expect(read.policy.durationS).toBe(3_600 - 30);
    const short = grantTerms(terms({ durationS: 60 }, notAfterMs), earlier, EXP_S);
    expect(short.policy.durationS).toBe(60);
  });

  it.each([
    [{ controlLoss: { strict: 30 } }, ["controlLoss"]],
    [{ clipboard: "to-guest" }, ["clipboard"]],
    [{ fileTransfer: "deny" }, ["fileTransfer"]],
    [{ input: "deny" }, ["input"]],
  ] as const)("is not made where it could not keep %j", async (rules, needs) => {
    const policy = { ...DEFAULT_POLICY, ...rules };
    expect(lackingOf(needsOf(policy), [])).toEqual(needs);
    expect(EARLIER_GRANT.safeParse(await sent(policy)).success).toBe(false);
  });
});

describe("a grant for a relay of this version", () => {
  const present = { enforces: ["usb", "notAfter"] };

  it("has the rule and the end themselves", () => {
    const rules = { usb: "deny", durationS: 60 } as const;
    expect(grantTerms(terms(rules, 7), present, EXP_S)).toEqual({
      policy: { ...DEFAULT_POLICY, ...rules },
      notAfterMs: 7,
    });
    expect(fitPolicy(DEFAULT_POLICY, [])).toEqual(DEFAULT_POLICY);
  });
});
