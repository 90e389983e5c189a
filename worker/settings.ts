/**
 * The Worker's settings by name, for everybody who hands them over: the hosts, the documentation,
 * the tests. What they mean and how they are checked is worker/config.ts's.
 */

/**
 * Who gives a setting its value. `host`: whoever runs the Worker knows it. `state`: made once and
 * kept for ever. `operator`: may be chosen, and has a default.
 */
export type SettingGiver = "host" | "state" | "operator";

/** A setting is missing or makes no sense. One sentence names it, and never what a secret one holds. */
export class SettingError extends Error {
  override readonly name = "SettingError";
}

export interface Setting {
  /** Whether the value belongs into a secret store, and never into a file that others may read. */
  readonly secret: boolean;
  readonly givenBy: SettingGiver;
  /** Whether the Worker can do without it, though it is made for new installations. */
  readonly mayLack?: boolean;
}

export const SETTINGS = {
  /** How users and relays reach this control plane, without a trailing slash. */
  PUBLIC_URL: { secret: false, givenBy: "host" },
  LIBSQL_URL: { secret: false, givenBy: "host" },
  LIBSQL_AUTH_TOKEN: { secret: true, givenBy: "host" },
  /** base64url of 32 random bytes: the root of every ticket key. */
  TICKET_ROOT: { secret: true, givenBy: "state" },
  /** A private Ed25519 JWK with its kid: signs grants. */
  GRANT_SIGNING_KEY: { secret: true, givenBy: "state", mayLack: true },
  /** What seals secrets in the database: `id:key` by comma, the first seals. */
  SECRETS_KEYS: { secret: true, givenBy: "operator" },
  /** base64url of 32 random bytes: seals hypervisors' passwords in the database. */
  SECRETS_KEY: { secret: true, givenBy: "state", mayLack: true },
  /** The certificate authority that signs relays' TLS certificates: PEM. */
  CA_CERTIFICATE: { secret: false, givenBy: "state" },
  /** Its PKCS 8 key, which goes into the database once. */
  CA_KEY: { secret: true, givenBy: "state", mayLack: true },
  /** Origins whose pages may open web consoles, by comma; absent: PUBLIC_URL's own. */
  KERBSIDE_WEB_ORIGINS: { secret: false, givenBy: "operator" },
  /** What a scraper of /metrics sends as its bearer token; absent: only people with the right. */
  KERBSIDE_METRICS_TOKEN: { secret: true, givenBy: "operator" },
  /** Who may log in by a password: `on` (absent), `off` or `break-glass`. */
  KERBSIDE_LOCAL_LOGIN: { secret: false, givenBy: "operator" },
  /** OpenID providers, as a JSON list: secret, because it holds the clients' secrets. */
  KERBSIDE_OIDC_PROVIDERS: { secret: true, givenBy: "operator" },
  /** A Keystone whose people may log in, as JSON. */
  KERBSIDE_KEYSTONE: { secret: false, givenBy: "operator" },
  /** How many reverse proxies in front append to X-Forwarded-For; absent: none. */
  KERBSIDE_TRUSTED_PROXIES: { secret: false, givenBy: "operator" },
  /** `off`: jobs are run by hand only. */
  KERBSIDE_JOBS: { secret: false, givenBy: "operator" },
  /** Days after which audit events are deleted; absent: they are kept. */
  KERBSIDE_AUDIT_RETENTION_DAYS: { secret: false, givenBy: "operator" },
  /** `allow`: webhooks may be addresses of private networks. */
  KERBSIDE_WEBHOOK_PRIVATE_TARGETS: { secret: false, givenBy: "operator" },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;

type GivenBy<Giver extends SettingGiver> = {
  [Name in SettingName]: (typeof SETTINGS)[Name]["givenBy"] extends Giver ? Name : never;
}[SettingName];

type Dispensable =
  | GivenBy<"operator">
  | {
      [Name in SettingName]: (typeof SETTINGS)[Name] extends { mayLack: true } ? Name : never;
    }[SettingName];

/** The settings as the Worker is handed them: an operator's choices, and some others, may be absent. */
export type SettingValues = { readonly [Name in Exclude<SettingName, Dispensable>]: string } & {
  readonly [Name in Dispensable]?: string;
};

export function settingNames(giver: SettingGiver): readonly string[] {
  return Object.entries(SETTINGS)
    .filter(([, setting]) => setting.givenBy === giver)
    .map(([name]) => name);
}

/** What the operator chose in the host's environment; an empty value chooses nothing. */
export function operatorSettings(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const chosen: Record<string, string> = {};
  for (const name of settingNames("operator")) {
    const value = environment[name];
    if (value !== undefined && value !== "") {
      chosen[name] = value;
    }
  }
  return chosen;
}
