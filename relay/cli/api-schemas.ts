/** The parts of the API's answers that the commands use; other fields pass through unread. */
import { z } from "zod";
import { policyWarningsSchema } from "./policy-warnings.ts";

const named = z.looseObject({ id: z.string(), name: z.string() });

export const consoleSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  source: z.string(),
});

export const storedConsoleSchema = consoleSchema.extend({
  /** Older control planes have none, here as of links. */
  warnings: policyWarningsSchema.optional(),
});

export type ConsoleItem = z.infer<typeof consoleSchema>;

export const ticketSchema = z.object({
  sessionId: z.string(),
  vvUrl: z.string(),
  expiresAt: z.string(),
});

export const sessionSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  console: named,
  /** Null: not yours to know. */
  user: z.looseObject({ id: z.string(), username: z.string() }).nullable(),
  /** The link of the user's through which a guest opened it; older control planes have none. */
  share: z.looseObject({ id: z.string(), label: z.string().nullable() }).nullish(),
  relay: named.nullable(),
  createdAt: z.string(),
  openedAt: z.string().nullish(),
  endedAt: z.string().nullish(),
  endReason: z.string().nullable(),
  endDetail: z.string().nullish(),
  refusedCode: z.string().nullish(),
});

export type SessionItem = z.infer<typeof sessionSchema>;

export const terminationSchema = z.object({ state: z.string() });

export const joinTokenSchema = z.looseObject({ token: z.string(), expiresAt: z.string() });

export const relaySchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  site: named,
  state: z.string(),
  draining: z.boolean(),
  disabled: z.boolean(),
  host: z.string(),
  tlsPort: z.number(),
  build: z.string().nullable(),
  lastSeenAt: z.string().nullable(),
});

export const userSchema = z.looseObject({
  id: z.string(),
  username: z.string(),
  displayName: z.string().nullable(),
  role: z.string(),
  origin: z.string(),
  disabled: z.boolean(),
  lastLoginAt: z.string().nullable(),
});

export const groupSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
});

export const memberSchema = z.looseObject({
  user: z.looseObject({ id: z.string(), username: z.string() }),
  origins: z.array(z.string()),
});

export const apiTokenSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});

export const terminationsSchema = z.looseObject({
  ending: z.array(z.string()),
  unreached: z.array(z.looseObject({ sessionId: z.string(), code: z.string() })),
  more: z.boolean(),
});

export type Terminated = z.infer<typeof terminationsSchema>;

export const shareSchema = z.looseObject({
  id: z.string(),
  console: named,
  issuer: z.looseObject({ username: z.string() }),
  label: z.string().nullable(),
  uses: z.number(),
  usesLeft: z.number(),
  state: z.string(),
  expiresAt: z.string(),
});

export const issuedShareSchema = z.looseObject({
  share: shareSchema,
  url: z.string(),
  warnings: policyWarningsSchema.optional(),
});

export const revokedShareSchema = z.looseObject({
  sessionsEnding: z.number(),
  sessionsWaiting: z.number(),
});

export const accessRuleSchema = z.looseObject({
  id: z.string(),
  subject: z.looseObject({ kind: z.string(), name: z.string().nullable() }),
  match: z.object({
    consoleId: z.string().nullable(),
    consoleName: z.string().nullable(),
    source: z.string().nullable(),
    project: z.string().nullable(),
    tag: z.string().nullable(),
    name: z.string().nullable(),
  }),
  level: z.string(),
});

export type AccessRule = z.infer<typeof accessRuleSchema>;

export const siteSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  fallbacks: z.array(named),
});

export const signingKeysSchema = z.looseObject({
  items: z.array(
    z.looseObject({
      kid: z.string(),
      state: z.string(),
      createdAt: z.string(),
      activatedAt: z.string().nullable(),
      retiredAt: z.string().nullable(),
      verifiesUntil: z.string().nullable(),
    }),
  ),
});

export const relayKeysSchema = z.looseObject({
  fingerprint: z.string(),
  nextFingerprint: z.string().nullable(),
  ticketEpoch: z.number(),
  certificate: z.looseObject({ kind: z.string(), endsAt: z.string().nullable() }),
});
