/**
 * The settings of identity providers, as the environment holds them in JSON. A provider's name is
 * part of addresses and of where a person comes from, so it is not changed lightly.
 */
import { z } from "zod";

/** A role is given by few groups; their names are as long as directories allow. */
const groupNames = z.array(z.string().min(1).max(256)).max(64);

/**
 * Which of a provider's groups give which role; the highest counts. Without `user` everybody whom
 * the provider knows is a user; with it nobody gets in who is in none of the groups.
 */
const rolesSchema = z
  .strictObject({
    admin: groupNames.optional(),
    operator: groupNames.optional(),
    auditor: groupNames.optional(),
    user: groupNames.optional(),
  })
  .default({});

export type RoleGroups = z.infer<typeof rolesSchema>;

/** What Kerbside's own users come from, and log in by. */
const OWN_NAMES: readonly string[] = ["local", "password"];

const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, "lower-case letters, digits and hyphens")
  .refine((name) => !OWN_NAMES.includes(name), "is the name of Kerbside's own users");

const httpsOrLoopback = z.url().refine(isSafe, "must be https, or http on this host alone");

const oidcProviderSchema = z.strictObject({
  name: nameSchema,
  /** What people read on the button. */
  label: z.string().min(1).max(64).optional(),
  issuer: httpsOrLoopback,
  clientId: z.string().min(1).max(256),
  /** Absent: a public client, which PKCE alone protects. */
  clientSecret: z.string().min(1).max(512).optional(),
  scopes: z.array(z.string().min(1).max(64)).max(16).default(["openid", "profile", "email"]),
  usernameClaim: z.string().min(1).max(64).default("preferred_username"),
  groupsClaim: z.string().min(1).max(128).default("groups"),
  roles: rolesSchema,
});

export type OidcProvider = z.infer<typeof oidcProviderSchema>;

export const oidcProvidersSchema = z
  .array(oidcProviderSchema)
  .max(8)
  .refine(
    (providers) => new Set(providers.map(({ name }) => name)).size === providers.length,
    "two providers have one name",
  );

export const keystoneSchema = z.strictObject({
  name: nameSchema.default("keystone"),
  label: z.string().min(1).max(64).optional(),
  /** With the version: `https://keystone.example:5000/v3`. */
  url: httpsOrLoopback.transform((url) => url.replace(/\/+$/, "")),
  /** The domain of the people, by name; theirs alone can log in. */
  userDomain: z.string().min(1).max(64).default("Default"),
  /** A project that people need a role on; absent: none. */
  project: z.string().min(1).max(64).optional(),
  projectDomain: z.string().min(1).max(64).default("Default"),
  roles: rolesSchema,
});

export type KeystoneProvider = z.infer<typeof keystoneSchema>;

function isSafe(text: string): boolean {
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
}

/** Elsewhere a password or a code would cross a network in clear. */
const LOOPBACK = /^(?:127\.[0-9.]+|\[::1\]|localhost)$/;
