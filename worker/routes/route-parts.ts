/** What many routes are declared with: ids, and the bodies of requests and answers. */
import { z } from "@hono/zod-openapi";
import { RELAY_NAME_PATTERN } from "#shared/control/enrolment.ts";

/** Ids are opaque to callers: any text of a sane length may be asked for, and not be found. */
export const idSchema = z.string().min(1).max(64);

/** Of a path that names one thing. */
export const idParams = z.object({ id: idSchema });

/** Of relays and of sites. */
export const relayNameSchema = z
  .string()
  .regex(RELAY_NAME_PATTERN, "lower-case letters, digits, dots and hyphens");

/** A JSON answer of that form. */
export const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { "application/json": { schema } },
});

/** A JSON body that must be there. */
export const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: true as const,
  content: { "application/json": { schema } },
});

/**
 * A JSON body that may be absent; the route also needs `dropEmptyBody`. Where there is none the
 * validator leaves an empty object, and not the schema's defaults.
 */
export const optionalJsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: false as const,
  content: { "application/json": { schema } },
});
