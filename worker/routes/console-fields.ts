/** The fields of a console: their forms and bounds. */
import { z } from "@hono/zod-openapi";
import { utf8 } from "#shared/base/bytes.ts";

export const CONSOLE_LIMITS = {
  /** A window's title shows no more. */
  nameCharactersMax: 128,
  sourceCharactersMax: 64,
  /** Longer than any cloud's own. */
  projectCharactersMax: 128,
  tagCharactersMax: 48,
  /** More than people keep apart, and a bounded work for rules that go by tags. */
  tagsMax: 16,
  /** Each costs a search; a pattern with more says nothing that people mean. */
  starsMax: 4,
  /** The grant's own bound (shared/ticket/grant.ts). */
  caCharactersMax: 64 * 1024,
  hostCharactersMax: 253,
  hostSubjectCharactersMax: 1024,
  /** A host's name with scheme, brackets and port. */
  proxyCharactersMax: 300,
  /** SPICE_MAX_PASSWORD_LENGTH (spice-protocol). */
  spicePasswordBytesMax: 60,
} as const;

const isPrintable = (text: string): boolean => !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);

/** Any printable text; blanks around it are dropped. */
export const printableSchema = (charactersMax: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(charactersMax)
    .refine(isPrintable, "must not hold control characters");

export const consoleNameSchema = printableSchema(CONSOLE_LIMITS.nameCharactersMax);

/** How a name begins; a blank at its end is part of it. */
export const namePrefixSchema = z
  .string()
  .min(1)
  .max(CONSOLE_LIMITS.nameCharactersMax)
  .refine(isPrintable, "must not hold control characters");

export const projectSchema = printableSchema(CONSOLE_LIMITS.projectCharactersMax).openapi({
  description: "The project or namespace in the source.",
});

/** Of one word, such as `web`, `env=prod` or `team:db`; capitals matter. */
export const tagSchema = z
  .string()
  .max(CONSOLE_LIMITS.tagCharactersMax)
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9._:=/-]*[A-Za-z0-9])?$/,
    "must be letters, digits and . _ : = / -",
  );

export const tagsSchema = z.array(tagSchema).max(CONSOLE_LIMITS.tagsMax);

/** Which names a rule matches: `*` is any text, `?` any one character; capitals matter. */
export const namePatternSchema = printableSchema(CONSOLE_LIMITS.nameCharactersMax)
  .refine(
    (pattern) => (pattern.match(/\*+/g) ?? []).length <= CONSOLE_LIMITS.starsMax,
    `must hold at most ${CONSOLE_LIMITS.starsMax} stars`,
  )
  .openapi({ description: "`*` is any text, `?` any one character; capitals matter." });

/** A DNS name, an IPv4 address, or an IPv6 address without brackets. */
export const addressSchema = z
  .string()
  .max(CONSOLE_LIMITS.hostCharactersMax)
  .refine(
    (host) => isIpv6(host) || isHostname(host),
    "must be a host name or an IP address without a port",
  );

export const portSchema = z.int().min(1).max(65_535);

/** As in a .vv file: `C=IE,O=Example,CN=host`. */
export const subjectSchema = z
  .string()
  .min(1)
  .max(CONSOLE_LIMITS.hostSubjectCharactersMax)
  .refine(isPrintable, "must not hold control characters")
  .refine((subject) => subject.includes("="), "must be a certificate's subject such as CN=host");

export const spicePasswordSchema = z
  .string()
  .min(1)
  .refine(
    (password) => utf8(password).length <= CONSOLE_LIMITS.spicePasswordBytesMax,
    `must hold at most ${CONSOLE_LIMITS.spicePasswordBytesMax} bytes`,
  )
  .refine((password) => !password.includes("\0"), "must not hold a zero byte");

/** Without a login: what a grant says of its proxy is not sealed. */
export const proxySchema = z
  .string()
  .max(CONSOLE_LIMITS.proxyCharactersMax)
  .refine(isProxy, "must be http://host:port, without a login or a path");

function isProxy(text: string): boolean {
  const [, bracketed, name, port] = PROXY_PATTERN.exec(text) ?? [];
  const isHost =
    bracketed === undefined ? name !== undefined && isHostname(name) : isIpv6(bracketed);
  return isHost && portSchema.safeParse(Number(port)).success;
}

function isHostname(host: string): boolean {
  return host
    .replace(/\.$/, "")
    .split(".")
    .every((label) => HOST_LABEL.test(label));
}

function isIpv6(host: string): boolean {
  return host.includes(":") && z.ipv6().safeParse(host).success;
}

const PROXY_PATTERN = /^http:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})\/?$/;
/** RFC 1123, and underscores, which private networks use. */
const HOST_LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
