/** Keys: those that sign grants, those of a relay's tickets, and those that secrets are sealed with. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { rotateTicketKey } from "../services/relay-keys.ts";
import { viewRelayKeys } from "../services/relay-keys-view.ts";
import { countSecrets, reencryptSecrets } from "../services/secrets-upkeep.ts";
import { JWKS_MAX_AGE_S } from "../services/signing-key-rules.ts";
import { rotateSigningKeys } from "../services/signing-key-rotation.ts";
import {
  listSigningKeys,
  recentPublishedKeys,
  type SigningKeyView,
} from "../services/signing-keys.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { problemResponses, valueOf } from "./problem.ts";
import { dropEmptyBody } from "./request-guards.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, json, optionalJsonBody } from "./route-parts.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

const signingKeySchema = z
  .object({
    kid: z.string(),
    state: z.enum(["next", "active", "retired"]),
    publicKey: z.string().openapi({ description: "The `x` of its JWK, which is Ed25519." }),
    createdAt: timeSchema,
    activatedAt: timeSchema.nullable(),
    retiredAt: timeSchema.nullable(),
    verifiesUntil: timeSchema
      .nullable()
      .openapi({ description: "Until when what it signed is accepted; null while it is in use." }),
  })
  .openapi("SigningKey");

const signingKeysSchema = z.object({ items: z.array(signingKeySchema) }).openapi("SigningKeys");

const listRoute = createRoute({
  method: "get",
  path: "/signing-keys",
  summary: "List the keys that sign grants, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("keys.manage")] as const,
  responses: {
    200: json("Those in use, and the newest of those that were.", signingKeysSchema),
    ...problemResponses(),
  },
});

const rotateRoute = createRoute({
  method: "post",
  path: "/signing-keys/rotate",
  summary: "Let the next key sign, and make another next one",
  description:
    "What the key before has signed is accepted until it expires. With `emergency` it is not: both " +
    "keys go at once, tickets that nobody has used are void, and two new keys are made. Living " +
    "sessions go on.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("keys.manage"), dropEmptyBody] as const,
  request: {
    body: optionalJsonBody(
      z
        .strictObject({
          activeKid: z
            .string()
            .max(128)
            .optional()
            .openapi({ description: "Rotate only while this key signs." }),
          emergency: z.boolean().default(false),
        })
        .openapi("SigningKeyRotation"),
    ),
  },
  responses: {
    200: json("As they are now.", signingKeysSchema),
    ...problemResponses("signing-key.changed", "signing-key.not-published"),
  },
});

const rotateTicketKeyRoute = createRoute({
  method: "post",
  path: "/relays/{id}/rotate-ticket-key",
  operationId: "rotateRelayTicketKey",
  summary: "Give a relay another key for its tickets",
  description: "Tickets that are out stay good; so do living sessions.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("keys.manage")] as const,
  request: { params: idParams },
  responses: {
    200: json("Done.", z.object({ ticketEpoch: z.int() }).openapi("TicketEpoch")),
    ...problemResponses("resource.not-found", "relay.ticket-key-too-young"),
  },
});

const relayKeysRoute = createRoute({
  method: "get",
  path: "/relays/{id}/keys",
  summary: "Read a relay's keys and certificate",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.read")] as const,
  request: { params: idParams },
  responses: {
    200: json(
      "Fingerprints and times.",
      z
        .object({
          fingerprint: z.string().openapi({ description: "Of the key by which it proves itself." }),
          nextFingerprint: z
            .string()
            .nullable()
            .openapi({ description: "Of the key that it is changing to." }),
          ticketEpoch: z.int(),
          certificate: z.object({
            kind: z.enum(["issued", "own"]).openapi({ description: "own: its operator's." }),
            hostSubject: z.string().nullable(),
            endsAt: timeSchema.nullable(),
          }),
        })
        .openapi("RelayKeys"),
    ),
    ...problemResponses("resource.not-found"),
  },
});

const secretsRoute = createRoute({
  method: "get",
  path: "/secrets",
  summary: "Count the sealed secrets by the key that sealed them",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("keys.manage")] as const,
  responses: {
    200: json(
      "Counts alone.",
      z
        .object({
          currentKeyId: z.string(),
          counts: z.array(
            z.object({
              column: z.string(),
              keyId: z.string().openapi({ description: "Empty: sealed before keys had ids." }),
              count: z.int(),
            }),
          ),
        })
        .openapi("SecretCounts"),
    ),
    ...problemResponses(),
  },
});

const reencryptRoute = createRoute({
  method: "post",
  path: "/secrets/reencrypt",
  summary: "Seal a batch of secrets with the current key in the place of older ones",
  description: "Call it again with `nextCursor` until that is null. It may be begun anew any time.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("keys.manage"), dropEmptyBody] as const,
  request: {
    body: optionalJsonBody(
      z.strictObject({ cursor: z.string().max(1024).optional() }).openapi("Reencryption"),
    ),
  },
  responses: {
    200: json(
      "What was done.",
      z
        .object({
          reencrypted: z.int(),
          unreadable: z
            .array(z.object({ column: z.string(), rowId: z.string() }))
            .openapi({ description: "Left as they are: no key in the settings opens them." }),
          nextCursor: z.string().nullable(),
        })
        .openapi("ReencryptedBatch"),
    ),
    ...problemResponses(),
  },
});

export const keyRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const rows = await listSigningKeys(context.var.services);
    return context.json({ items: rows.map(formatKey) }, 200);
  })
  .openapi(rotateRoute, async (context) => {
    const { services, user } = context.var;
    // Without a body the validator leaves an empty object, and not the schema's default.
    const wish: { readonly activeKid?: string | undefined; readonly emergency?: boolean } =
      context.req.valid("json");
    const { activeKid, emergency = false } = wish;
    const rows = valueOf(
      await rotateSigningKeys(services, user, { activeKid, isEmergency: emergency }),
    );
    return context.json({ items: rows.map(formatKey) }, 200);
  })
  .openapi(rotateTicketKeyRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    return context.json({ ticketEpoch: valueOf(await rotateTicketKey(services, user, id)) }, 200);
  })
  .openapi(relayKeysRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { certificate, ...view } = valueOf(await viewRelayKeys(context.var.services, id));
    const { kind, hostSubject, endsAtMs } = certificate;
    const shown = { kind, hostSubject, endsAt: formatOptionalTime(endsAtMs) };
    return context.json({ ...view, certificate: shown }, 200);
  })
  .openapi(secretsRoute, async (context) => {
    return context.json(await countSecrets(context.var.services), 200);
  })
  .openapi(reencryptRoute, async (context) => {
    const { services, user } = context.var;
    const { cursor }: { readonly cursor?: string | undefined } = context.req.valid("json");
    return context.json(valueOf(await reencryptSecrets(services, user, cursor ?? null)), 200);
  });

/** Outside the API's path: who verifies grants looks for them where RFC 8615 says. */
export const publicKeyRoutes = new OpenAPIHono<RouteEnv>().openapi(
  createRoute({
    method: "get",
    path: "/.well-known/jwks.json",
    operationId: "readJwks",
    summary: "The public keys that grants may be signed with (RFC 7517)",
    responses: {
      200: json(
        "Those in use, and those of before whose grants have not expired.",
        z
          .object({
            keys: z.array(
              z.object({
                kty: z.literal("OKP"),
                crv: z.literal("Ed25519"),
                x: z.string(),
                kid: z.string(),
                alg: z.literal("EdDSA"),
                use: z.literal("sig"),
              }),
            ),
          })
          .openapi("JsonWebKeySet"),
      ),
      ...problemResponses(),
    },
  }),
  async (context) => {
    const published = await recentPublishedKeys(context.var.services);
    const keys = published.map(({ kty, crv, x, kid }) => ({
      ...{ kty, crv, x, kid },
      ...{ alg: "EdDSA" as const, use: "sig" as const },
    }));
    context.header("Cache-Control", `public, max-age=${JWKS_MAX_AGE_S}`);
    return context.json({ keys }, 200);
  },
);

function formatKey(row: SigningKeyView): z.infer<typeof signingKeySchema> {
  return {
    kid: row.kid,
    state: row.state,
    publicKey: row.publicKey,
    createdAt: formatTime(row.createdAtMs),
    activatedAt: formatOptionalTime(row.activatedAtMs),
    retiredAt: formatOptionalTime(row.retiredAtMs),
    verifiesUntil: formatOptionalTime(row.verifiesUntilMs),
  };
}
