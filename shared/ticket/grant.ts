/**
 * The grant: the control plane's signed decision that one ticket opens one console through one
 * relay. A compact JWS (EdDSA) whose payload is checked by this schema on both ends. Times are
 * whole seconds since 1970, as in every JWT.
 */
import { z } from "zod";
import { policySchema } from "#shared/policy/policy.ts";

export const GRANT_ALGORITHM = "EdDSA";
export const GRANT_TYPE = "kerbside-grant+jwt";

const portSchema = z.int().min(1).max(65_535);

/** Where the console's SPICE server listens and how it is authenticated. */
export const targetSchema = z
  .strictObject({
    host: z.string().min(1).max(253),
    /** The plain port. Used only when there is no TLS port: TLS never falls back. */
    port: portSchema.nullable(),
    tlsPort: portSchema.nullable(),
    /** PEM certificates that may sign the server's; null means the public roots. */
    ca: z
      .string()
      .max(64 * 1024)
      .nullable(),
    /** Subject that the server's certificate must have, as in a .vv file; replaces the host check. */
    hostSubject: z.string().max(1024).nullable(),
    /** `http://host:port`, with `user:password@` where it wants that: dial through it by CONNECT. */
    proxy: z.string().max(1024).nullable().default(null),
    /** The server's own SPICE password, sealed for this relay (see seal.ts); null means none. */
    sealedPassword: z.string().max(1024).nullable(),
  })
  .refine((target) => target.port !== null || target.tlsPort !== null, {
    message: "a target needs a port or a tlsPort",
  });

export type Target = z.infer<typeof targetSchema>;

export const grantSchema = z.object({
  iss: z.string(),
  /** The relay that may act on it. */
  aud: z.string(),
  /** The user. */
  sub: z.string(),
  jti: z.string(),
  iat: z.int(),
  /** `iat` in milliseconds: what a denial of the same second is compared with. */
  issuedAtMs: z.int().nonnegative().optional(),
  /** Until then the first main channel may come; the session itself may live on. */
  exp: z.int(),
  sessionId: z.string(),
  consoleId: z.string(),
  /** The share that it was granted by, when it was. */
  shareId: z.string().max(64).optional(),
  /** base64url of the ticket's SHA-256. */
  ticketHash: z.string().length(43),
  target: targetSchema,
  policy: policySchema,
  /** When the session has to be over, in milliseconds since 1970; null: its policy alone says. */
  notAfterMs: z.int().nullable().default(null),
});

export type Grant = z.infer<typeof grantSchema>;
