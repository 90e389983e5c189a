/** How callers prove who they are, for the API description. */

/** On routes that need a login: either of the two. */
export const LOGIN_SECURITY = [{ bearer: [] }, { cookie: [] }];

export const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "The token that `POST /api/v1/auth/login` answers.",
  },
  cookie: {
    type: "apiKey",
    in: "cookie",
    name: "__Host-kerbside",
    description: "Set by the login; named `kerbside` where the public URL is plain http.",
  },
  scraper: {
    type: "http",
    scheme: "bearer",
    description: "The setting KERBSIDE_METRICS_TOKEN; for the metrics alone.",
  },
} as const;
