/**
 * The Worker's configuration, read from its settings: the only place that does. Pure, so that a host
 * can refuse settings that make no sense with the Worker's own words, before it starts one.
 */
import { z } from "zod";
import { type Bytes, fromBase64Url } from "#shared/base/bytes.ts";
import { LOCAL_LOGIN_MODES, type LocalLogin } from "./identity/local-login.ts";
import { keystoneSchema, oidcProvidersSchema } from "./identity/provider-settings.ts";
import { parseSecretsKeys } from "./identity/secrets-keys.ts";
import type { PrivateSigningKey, ServiceSettings } from "./services/context.ts";
import { SettingError, type SettingValues } from "./settings.ts";

/** What the services need of the settings, checked, and where their database is. */
export interface Config extends ServiceSettings {
  readonly databaseUrl: string;
  readonly databaseAuthToken: string;
}

const signingKeySchema = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  d: z.string(),
  kid: z.string(),
});

/** @throws {SettingError} with one sentence that names the setting, when one is missing or wrong. */
export function readConfig(env: SettingValues): Config {
  const publicUrl = webAddress("PUBLIC_URL", env.PUBLIC_URL).replace(/\/+$/, "");
  return {
    databaseUrl: required("LIBSQL_URL", env.LIBSQL_URL),
    databaseAuthToken: env.LIBSQL_AUTH_TOKEN,
    publicUrl,
    ticketRoot: key("TICKET_ROOT", env.TICKET_ROOT),
    grantSigningKey: signingKey(env.GRANT_SIGNING_KEY),
    secretsKeys: parseSecretsKeys(env),
    caCertificate: required("CA_CERTIFICATE", env.CA_CERTIFICATE),
    caKey: env.CA_KEY || null,
    webOrigins: origins(env.KERBSIDE_WEB_ORIGINS, publicUrl),
    metricsToken: metricsToken(env.KERBSIDE_METRICS_TOKEN),
    localLogin: localLogin(env.KERBSIDE_LOCAL_LOGIN),
    ...providers(env),
    trustedProxies: proxyCount(env.KERBSIDE_TRUSTED_PROXIES),
    auditRetentionMs: retention(env.KERBSIDE_AUDIT_RETENTION_DAYS),
    webhookPrivateTargets: privateTargets(env.KERBSIDE_WEBHOOK_PRIVATE_TARGETS),
  };
}

/** Whether jobs are run by the clock here. @throws {SettingError} for any other value than `off`. */
export function clockIsOn(env: Pick<SettingValues, "KERBSIDE_JOBS">): boolean {
  const value = env.KERBSIDE_JOBS ?? "";
  if (!["", "on", "off"].includes(value)) {
    throw new SettingError("The setting KERBSIDE_JOBS must be on or off.");
  }
  return value !== "off";
}

function required(name: string, value: string | undefined): string {
  if (value === undefined || value === "") {
    throw new SettingError(
      `The setting ${name} is missing: set it as docs/operate/configure.md tells.`,
    );
  }
  return value;
}

/** The value is not repeated: it may hold a login. */
function webAddress(name: string, value: string): string {
  const text = required(name, value);
  if (!/^https?:/i.test(text) || !URL.canParse(text)) {
    throw new SettingError(
      `The setting ${name} must be a URL such as https://kerbside.example, with http or https.`,
    );
  }
  return text;
}

/** Origins as browsers write them: scheme, host, and a port that is not the scheme's own. */
function origins(text: string | undefined, publicUrl: string): string[] {
  const listed = (text ?? "").split(",").map((origin) => origin.trim());
  const given = listed.filter((origin) => origin !== "");
  const isOrigin = (origin: string): boolean =>
    /^https?:/i.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
  if (given.length > WEB_ORIGINS_MAX || !given.every(isOrigin)) {
    throw new SettingError(
      `The setting KERBSIDE_WEB_ORIGINS must list at most ${WEB_ORIGINS_MAX} origins such as ` +
        "https://kerbside.example, separated by commas.",
    );
  }
  return given.length === 0 ? [new URL(publicUrl).origin] : given;
}

function metricsToken(text: string | undefined): string | null {
  if (text === undefined || text === "") {
    return null;
  }
  if (!METRICS_TOKEN_PATTERN.test(text)) {
    throw new SettingError(
      "The setting KERBSIDE_METRICS_TOKEN must be 20 to 200 printable characters without blanks.",
    );
  }
  return text;
}

function localLogin(text: string | undefined): LocalLogin {
  const mode = LOCAL_LOGIN_MODES.find((candidate) => candidate === (text || "on"));
  if (mode === undefined) {
    throw new SettingError(
      `The setting KERBSIDE_LOCAL_LOGIN must be ${LOCAL_LOGIN_MODES.join(", ")}.`,
    );
  }
  return mode;
}

/** The two say where people come from by their providers' names, so no two may be the same. */
function providers(env: SettingValues): Pick<Config, "oidcProviders" | "keystone"> {
  const { KERBSIDE_OIDC_PROVIDERS: oidc, KERBSIDE_KEYSTONE: keystone } = env;
  const found = {
    oidcProviders: oidc ? fromJson("KERBSIDE_OIDC_PROVIDERS", oidc, oidcProvidersSchema) : [],
    keystone: keystone ? fromJson("KERBSIDE_KEYSTONE", keystone, keystoneSchema) : null,
  };
  const name = found.keystone?.name;
  if (found.oidcProviders.some((provider) => provider.name === name)) {
    throw new SettingError(`KERBSIDE_OIDC_PROVIDERS and KERBSIDE_KEYSTONE both name "${name}".`);
  }
  return found;
}

/** @throws {SettingError} that names the field and never what it holds, which may be a secret. */
function fromJson<Value>(name: string, text: string, schema: z.ZodType<Value>): Value {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new SettingError(`The setting ${name} must be JSON (docs/operate/login-providers.md).`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join(".") ?? "";
    throw new SettingError(
      `The setting ${name} is wrong${field === "" ? "" : ` at ${field}`}: ${issue?.message} ` +
        "(docs/operate/login-providers.md).",
    );
  }
  return parsed.data;
}

function proxyCount(text: string | undefined): number {
  const count = Number(text || "0");
  if (!Number.isInteger(count) || count < 0 || count > PROXIES_MAX) {
    throw new SettingError(
      `The setting KERBSIDE_TRUSTED_PROXIES must be the number of proxies, 0 to ${PROXIES_MAX}.`,
    );
  }
  return count;
}

function retention(text: string | undefined): number | null {
  if (text === undefined || text === "") {
    return null;
  }
  if (!/^[1-9][0-9]{0,4}$/.test(text)) {
    throw new SettingError(
      "The setting KERBSIDE_AUDIT_RETENTION_DAYS must be a whole number of days.",
    );
  }
  return Number(text) * DAY_MS;
}

function privateTargets(text: string | undefined): boolean {
  if (!["", "allow", "refuse"].includes(text ?? "")) {
    throw new SettingError("The setting KERBSIDE_WEBHOOK_PRIVATE_TARGETS must be allow or refuse.");
  }
  return text === "allow";
}

function key(name: string, value: string): Bytes {
  const bytes = fromBase64Url(required(name, value));
  if (bytes === null || bytes.length !== KEY_BYTES) {
    throw new SettingError(`The setting ${name} must be base64url of ${KEY_BYTES} random bytes.`);
  }
  return bytes;
}

function signingKey(text: string | undefined): PrivateSigningKey | null {
  if (text === undefined || text === "") {
    return null;
  }
  try {
    return signingKeySchema.parse(JSON.parse(text));
  } catch {
    throw new SettingError(
      "The setting GRANT_SIGNING_KEY must be a private Ed25519 JWK with a kid.",
    );
  }
}

/** Long enough that nobody guesses it over the network, and what a header can carry. */
const METRICS_TOKEN_PATTERN = /^[!-~]{20,200}$/;
const DAY_MS = 24 * 60 * 60_000;
const KEY_BYTES = 32;
/** More in a row than anybody has. */
const PROXIES_MAX = 8;
/** The control link's own bound (shared/control/contract.ts). */
const WEB_ORIGINS_MAX = 16;
