/** The forms of people's fields, of their logins and of their API tokens, for several routes. */
import { z } from "@hono/zod-openapi";
import { ROLES } from "../identity/permissions.ts";
import type { ApiTokenView } from "../services/api-tokens.ts";
import type { pageLogins } from "../services/logins.ts";
import type { pageUsers } from "../services/users.ts";
import { printableSchema } from "./console-fields.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

export const roleSchema = z.enum(ROLES);

export const displayNameSchema = printableSchema(128);

/** RFC 5321 bounds an address at 254 characters. */
export const emailSchema = z.email().max(254);

export const userSchema = z
  .object({
    id: z.string(),
    username: z.string(),
    displayName: z.string().nullable(),
    email: z.string().nullable(),
    role: roleSchema,
    origin: z.string().openapi({
      description: "`local`, or the name of the login provider that the person comes through.",
    }),
    hasPassword: z.boolean(),
    disabled: z.boolean(),
    disabledAt: timeSchema.nullable(),
    createdAt: timeSchema,
    lastLoginAt: timeSchema.nullable(),
  })
  .openapi("User");

export function formatUser(user: UserSummary): z.infer<typeof userSchema> {
  const { createdAtMs, disabledAtMs, lastLoginAtMs, ...rest } = user;
  return {
    ...rest,
    disabled: disabledAtMs !== null,
    disabledAt: formatOptionalTime(disabledAtMs),
    createdAt: formatTime(createdAtMs),
    lastLoginAt: formatOptionalTime(lastLoginAtMs),
  };
}

export const loginSchema = z
  .object({
    id: z.string(),
    method: z.string().openapi({ description: "How the person proved who they are." }),
    address: z.string().nullable().openapi({ description: "From where they logged in." }),
    userAgent: z.string().nullable(),
    createdAt: timeSchema,
    lastUsedAt: timeSchema.nullable().openapi({ description: "To the minute." }),
    expiresAt: timeSchema,
    isCurrent: z.boolean().openapi({ description: "Whether this request came with it." }),
  })
  .openapi("LoginSummary");

type UserSummary = Awaited<ReturnType<typeof pageUsers>>["items"][number];

type LoginSummary = Awaited<ReturnType<typeof pageLogins>>["items"][number];

export function formatLogin(
  login: LoginSummary,
  currentId: string | null,
): z.infer<typeof loginSchema> {
  const { createdAtMs, lastUsedAtMs, expiresAtMs, ...rest } = login;
  return {
    ...rest,
    createdAt: formatTime(createdAtMs),
    lastUsedAt: formatOptionalTime(lastUsedAtMs),
    expiresAt: formatTime(expiresAtMs),
    isCurrent: login.id === currentId,
  };
}

export const apiTokenSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()).openapi({
      description: "Permissions. It may do what its user's role holds as well, at each request.",
    }),
    createdAt: timeSchema,
    expiresAt: timeSchema,
    lastUsedAt: timeSchema.nullable().openapi({ description: "To the minute." }),
    lastUsedAddress: z.string().nullable(),
    revokedAt: timeSchema.nullable(),
  })
  .openapi("ApiToken");

export function formatApiToken(token: ApiTokenView): z.infer<typeof apiTokenSchema> {
  return {
    id: token.id,
    name: token.name,
    scopes: [...token.scopes],
    createdAt: formatTime(token.createdAtMs),
    expiresAt: formatTime(token.expiresAtMs),
    lastUsedAt: formatOptionalTime(token.lastUsedAtMs),
    lastUsedAddress: token.lastUsedAddress,
    revokedAt: formatOptionalTime(token.revokedAtMs),
  };
}

export const endedSchema = z
  .object({ ended: z.int().openapi({ description: "How many there were." }) })
  .openapi("EndedLogins");
