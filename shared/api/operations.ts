/**
 * The API's types, made from its description by `npm run docs:client`: change the routes, not this
 * file. A field that is new in an answer is no breach of them.
 */

export type AccessExplanation = {
  /** Null: the console is not there for them. */
  readonly access: "view" | "open" | "own" | null;
  /** What comes from the role alone. */
  readonly byRole: "view" | "open" | "own" | null;
  /** Whether the user cannot log in at all. */
  readonly disabled: boolean;
  /** Highest level first. */
  readonly rules: readonly AccessRule[];
};

/** A console for which every given part is so; without any, every console. */
export type AccessMatch = {
  /** One console, and nothing else. */
  readonly consoleId?: string | undefined;
  readonly source?: string | undefined;
  /** The project or namespace in the source. */
  readonly project?: string | undefined;
  readonly tag?: string | undefined;
  /** `*` is any text, `?` any one character; capitals matter. */
  readonly name?: string | undefined;
};

export type AccessRule = {
  readonly id: string;
  readonly subject: {
    readonly kind: "user" | "group" | "everyone";
    readonly id: string | null;
    readonly name: string | null;
  };
  /** Null: may be anything. */
  readonly match: {
    readonly consoleId: string | null;
    readonly consoleName: string | null;
    readonly source: string | null;
    readonly project: string | null;
    readonly tag: string | null;
    readonly name: string | null;
  };
  /**
   * `view`: may see it. `open`: may open it too. `own`: may share it and see and end its
   * sessions too.
   */
  readonly level: "view" | "open" | "own";
  readonly createdAt: string;
};

export type AccessRuleChanges = {
  readonly match?: AccessMatch | undefined;
  /**
   * `view`: may see it. `open`: may open it too. `own`: may share it and see and end its
   * sessions too.
   */
  readonly level?: "view" | "open" | "own" | undefined;
};

export type AccessRulePage = {
  readonly items: readonly AccessRule[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Account = {
  readonly user: User;
  readonly role: "admin" | "operator" | "auditor" | "user";
  /** What this credential may do: of a token, less than the role. */
  readonly permissions: readonly ("account.manage" | "consoles.read" | "consoles.read-all" | "consoles.open" | "consoles.open-all" | "consoles.manage" | "access.read" | "access.manage" | "shares.manage" | "shares.manage-all" | "sessions.read" | "sessions.read-all" | "sessions.end" | "sessions.end-all" | "sources.read" | "sources.manage" | "relays.read" | "relays.manage" | "policies.read" | "policies.manage" | "people.read" | "people.manage" | "audit.read" | "webhooks.manage" | "keys.manage" | "metrics.read" | "jobs.run")[];
  /** 200 at most. */
  readonly groups: readonly {
    readonly id: string;
    readonly name: string;
  }[];
  readonly credential: {
    readonly kind: "login" | "token";
    readonly id: string;
  };
};

export type ApiToken = {
  readonly id: string;
  readonly name: string;
  /** Permissions. It may do what its user's role holds as well, at each request. */
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly expiresAt: string;
  /** To the minute. */
  readonly lastUsedAt: string | null;
  readonly lastUsedAddress: string | null;
  readonly revokedAt: string | null;
};

export type ApiTokenPage = {
  readonly items: readonly ApiToken[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type AuditCheckpoint = {
  readonly number: number;
  readonly at: string;
  readonly jws: string;
};

export type AuditEvent = {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly actor: {
    readonly kind: string;
    readonly id: string | null;
  };
  readonly address: string | null;
  readonly requestId: string | null;
  readonly consoleId: string | null;
  readonly sessionId: string | null;
  readonly relayId: string | null;
  readonly subjectId: string | null;
  /** What belongs to the type (docs/audit-events.md). */
  readonly data: Readonly<Record<string, unknown>>;
  readonly dataText?: string | undefined;
  readonly writer: string;
  readonly seq: number | null;
  readonly hash: string | null;
};

export type AuditHead = {
  readonly writer: string;
  readonly seq: number;
  readonly hash: string;
};

export type AuditKeys = {
  readonly issuer: string;
  readonly keys: readonly {
    readonly kty: "OKP";
    readonly crv: "Ed25519";
    readonly x: string;
    readonly kid: string;
  }[];
  readonly unchained: number;
};

export type AuditLinkPage = {
  readonly items: readonly AuditEvent[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type AuditPage = {
  readonly items: readonly AuditEvent[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Console = {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly source: string;
  readonly project: string | null;
  readonly tags: readonly string[];
  readonly createdAt: string;
  /** How far the caller's right to it goes. */
  readonly access: "view" | "open" | "own";
  /** This and all that follows: admins only. */
  readonly host?: string | undefined;
  readonly port?: number | null | undefined;
  readonly tlsPort?: number | null | undefined;
  readonly hostSubject?: string | null | undefined;
  readonly proxy?: string | null | undefined;
  readonly policy?: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | null | undefined;
  /** The site whose relays reach it; null: its source's. */
  readonly siteId?: string | null | undefined;
};

export type ConsoleChanges = {
  readonly name?: string | undefined;
  /** Where the hypervisor serves SPICE. */
  readonly host?: string | undefined;
  readonly port?: number | null | undefined;
  readonly tlsPort?: number | null | undefined;
  readonly ca?: string | null | undefined;
  readonly hostSubject?: string | null | undefined;
  /** Needed with another host or proxy, which must not be told the one of before. */
  readonly password?: string | null | undefined;
  readonly proxy?: string | null | undefined;
  /** In the place of all rules that it had. */
  readonly policy?: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | null | undefined;
  /** The project or namespace in the source. */
  readonly project?: string | null | undefined;
  /** In the place of all that it had. */
  readonly tags?: readonly string[] | undefined;
  readonly siteId?: string | null | undefined;
};

export type ConsolePage = {
  readonly items: readonly Console[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Credentials = {
  readonly username: string;
  readonly password: string;
  /**
   * The name of a login method of kind `password`; absent: Kerbside's own users where they
   * may log in, else the only other one.
   */
  readonly provider?: string | undefined;
};

export type EffectivePolicy = {
  readonly console: {
    readonly id: string;
    readonly name: string;
  };
  readonly user: {
    readonly id: string;
    readonly username: string;
  };
  /** Whether the hours allow a session now. */
  readonly allowedNow: boolean;
  /** When they next begin or cease to; null: not within days. */
  readonly changesAt: string | null;
  /** What a session that began now would be given. */
  readonly rules: {
    readonly channels: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null;
    readonly firewall: "enforce" | "observe";
    readonly secondViewer: "refuse" | "take-over";
    readonly reconnectWindowS: number;
    readonly idleS: number | null;
    readonly durationS: number | null;
    readonly sessionsMax: number | null;
    readonly allowedHours: readonly {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    }[] | null;
    readonly controlLoss: "fail-static" | {
      readonly strict: number;
    };
    readonly clipboard: "allow" | "to-guest" | "to-client" | "deny";
    readonly fileTransfer: "allow" | "deny";
    readonly usb: "allow" | "deny";
    readonly input: "allow" | "deny";
  };
  readonly decisions: readonly {
    readonly rule: "channels" | "firewall" | "secondViewer" | "reconnectWindowS" | "idleS" | "durationS" | "controlLoss" | "clipboard" | "fileTransfer" | "usb" | "input" | "sessionsMax" | "allowedHours";
    /** As the rule has it; hours as a list. */
    readonly value?: unknown | undefined;
    /** Empty: nobody says it, and the default counts. */
    readonly contributions: readonly {
      readonly from: {
        readonly by: "policy";
        readonly policyId: string;
        readonly name: string;
        readonly attachedTo: {
          readonly kind: "everyone" | "console" | "source" | "group" | "user";
          /** Of that kind, or `everyone`. */
          readonly id: string;
          readonly name: string | null;
        };
      } | {
        readonly by: "console";
      } | {
        readonly by: "share";
      };
      /** As the rule has it; hours as a list. */
      readonly value?: unknown | undefined;
      readonly wins: boolean;
    }[];
  }[];
  /** Rules that no relay that is online can enforce: their sessions get no ticket. */
  readonly warnings: readonly {
    readonly rule: "controlLoss" | "notAfter" | "usb" | "clipboard" | "fileTransfer" | "input";
    readonly message: string;
  }[];
};

export type EndedLogins = {
  /** How many there were. */
  readonly ended: number;
};

export type Group = {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly createdAt: string;
};

export type GroupChanges = {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
};

export type GroupMember = {
  readonly user: {
    readonly id: string;
    readonly username: string;
    readonly displayName: string | null;
  };
  /** `local` when an admin says so, and the login providers that do. */
  readonly origins: readonly string[];
};

export type GroupMemberPage = {
  readonly items: readonly GroupMember[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type GroupOfUserPage = {
  readonly items: readonly {
    readonly id: string;
    readonly name: string;
    /** `local` when an admin says so, and the providers that do. */
    readonly origins: readonly string[];
  }[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type GroupPage = {
  readonly items: readonly Group[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Health = {
  readonly status: "ok";
};

export type IssuedApiToken = ApiToken & {
  readonly token: string;
};

export type IssuedShare = {
  readonly share: Share;
  readonly url: string;
  /** Rules that no relay that is online can enforce: their sessions get no ticket. */
  readonly warnings: readonly {
    readonly rule: "controlLoss" | "notAfter" | "usb" | "clipboard" | "fileTransfer" | "input";
    readonly message: string;
  }[];
};

export type Job = {
  readonly name: string;
  /** What it does. */
  readonly summary: string;
  readonly everySeconds: number;
  readonly running: boolean;
  /** Of the last run. */
  readonly startedAt: string | null;
  /** Of the last run, once it has ended. */
  readonly durationMs: number | null;
  /** Of the last that did. */
  readonly succeededAt: string | null;
  /** Why the last run failed. */
  readonly error: string | null;
  /** Null before its first run. */
  readonly nextAt: string | null;
};

export type JoinToken = {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: string;
};

export type JoinTokenPage = {
  readonly items: readonly PendingJoinToken[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type JoinTokenRequest = {
  /** The name that the relay must have; absent: any. */
  readonly name?: string | undefined;
  /** The site that the relay will belong to; absent: the default. */
  readonly siteId?: string | undefined;
  /** How long it is good; absent: 10. */
  readonly minutes?: number | undefined;
};

export type JsonWebKeySet = {
  readonly keys: readonly {
    readonly kty: "OKP";
    readonly crv: "Ed25519";
    readonly x: string;
    readonly kid: string;
    readonly alg: "EdDSA";
    readonly use: "sig";
  }[];
};

export type Login = {
  readonly token: string;
  readonly expiresAt: string;
};

export type LoginMethods = {
  readonly items: readonly {
    readonly kind: "password" | "oidc";
    /** Unique; told in lists of logins. */
    readonly name: string;
    /** For people. */
    readonly label: string;
    /** For administrators whose usual way fails; not to be offered first. */
    readonly isForEmergencies: boolean;
  }[];
};

export type LoginPage = {
  readonly items: readonly LoginSummary[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type LoginSummary = {
  readonly id: string;
  /** How the person proved who they are. */
  readonly method: string;
  /** From where they logged in. */
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly createdAt: string;
  /** To the minute. */
  readonly lastUsedAt: string | null;
  readonly expiresAt: string;
  /** Whether this request came with it. */
  readonly isCurrent: boolean;
};

export type NewAccessRule = {
  readonly subject: {
    readonly kind: "user" | "group" | "everyone";
    readonly id?: string | undefined;
  };
  readonly match: AccessMatch;
  /**
   * `view`: may see it. `open`: may open it too. `own`: may share it and see and end its
   * sessions too.
   */
  readonly level: "view" | "open" | "own";
};

export type NewApiToken = {
  readonly name: string;
  readonly scopes: readonly ("account.manage" | "consoles.read" | "consoles.read-all" | "consoles.open" | "consoles.open-all" | "consoles.manage" | "access.read" | "access.manage" | "shares.manage" | "shares.manage-all" | "sessions.read" | "sessions.read-all" | "sessions.end" | "sessions.end-all" | "sources.read" | "sources.manage" | "relays.read" | "relays.manage" | "policies.read" | "policies.manage" | "people.read" | "people.manage" | "audit.read" | "webhooks.manage" | "keys.manage" | "metrics.read" | "jobs.run")[];
  readonly lifeDays: number;
};

export type NewConsole = {
  readonly name: string;
  /** The virtual machine's id; made up when it is not given. */
  readonly uuid?: string | undefined;
  /** Where the hypervisor serves SPICE. */
  readonly host: string;
  /** Plain; used when there is no tlsPort. */
  readonly port?: number | undefined;
  readonly tlsPort?: number | undefined;
  /** PEM certificates that may sign the hypervisor's. */
  readonly ca?: string | undefined;
  readonly hostSubject?: string | undefined;
  /** The hypervisor's own SPICE password; never answered. */
  readonly password?: string | undefined;
  /** HTTP proxy that the hypervisor is dialled through by CONNECT. */
  readonly proxy?: string | undefined;
  /** Rules in which its sessions differ from the default policy. */
  readonly policy?: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | undefined;
  /** The site whose relays reach it; absent: its source's. */
  readonly siteId?: string | undefined;
  readonly source?: string | undefined;
  /** The project or namespace in the source. */
  readonly project?: string | undefined;
  readonly tags?: readonly string[] | undefined;
};

export type NewGroup = {
  readonly name: string;
  readonly description?: string | null | undefined;
};

export type NewPassword = {
  readonly password: string;
};

export type NewPolicy = {
  /** Unique, whatever the case of its letters. */
  readonly name: string;
  readonly description?: string | undefined;
  /** Those that are absent are other policies' to say. */
  readonly rules?: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | undefined;
};

export type NewPolicyAttachment = {
  readonly policyId: string;
  readonly kind: "everyone";
} | {
  readonly policyId: string;
  readonly kind: "console" | "source" | "group" | "user";
  /** Its id; of a source its name does too. */
  readonly subjectId: string;
};

export type NewShare = {
  readonly consoleId: string;
  /** Seconds in which sessions can begin. */
  readonly expiresInS: number;
  /** How often it opens the console. */
  readonly uses?: number | undefined;
  /** Makes its sessions stricter than the console's, never laxer. */
  readonly policy?: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | undefined;
  readonly label?: string | undefined;
};

export type NewSite = {
  readonly name: string;
  readonly description?: string | undefined;
  /** Sites whose relays take over, in this order. */
  readonly fallbackIds?: readonly string[] | undefined;
};

export type NewUser = {
  readonly username: string;
  readonly password: string;
  readonly role?: "admin" | "operator" | "auditor" | "user" | undefined;
  readonly displayName?: string | null | undefined;
  readonly email?: string | null | undefined;
};

export type PasswordChange = {
  readonly currentPassword: string;
  readonly newPassword: string;
};

export type PendingJoinToken = {
  readonly id: string;
  /** The name that the relay must have. */
  readonly name: string | null;
  /** The site that the relay will belong to; null: the default. */
  readonly site: {
    readonly id: string;
    readonly name: string;
  } | null;
  readonly createdBy: {
    readonly id: string;
    readonly username: string;
  };
  readonly createdAt: string;
  readonly expiresAt: string;
};

export type Policy = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly rules: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  };
  readonly createdAt: string;
  readonly changedAt: string;
};

export type PolicyAttachment = {
  readonly id: string;
  readonly policy: {
    readonly id: string;
    readonly name: string;
  };
  readonly kind: "everyone" | "console" | "source" | "group" | "user";
  readonly subject: {
    /** Of that kind, or `everyone`. */
    readonly id: string;
    /** Null: it is gone. */
    readonly name: string | null;
  };
  readonly createdAt: string;
};

export type PolicyAttachmentPage = {
  readonly items: readonly PolicyAttachment[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type PolicyChanges = {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  /** In the place of all rules that it had. */
  readonly rules?: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | undefined;
};

export type PolicyPage = {
  readonly items: readonly Policy[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Problem = {
  readonly type: string;
  /** What to do about it. */
  readonly title: string;
  readonly status: number;
  /** Stable; programs decide by it. */
  readonly code: string;
  readonly detail?: string | undefined;
  /** Whether trying again unchanged can help. */
  readonly retryable: boolean;
  readonly requestId: string;
  readonly fields?: readonly {
    readonly field: string;
    readonly message: string;
  }[] | undefined;
};

export type Readiness = {
  readonly status: "ready";
};

export type ReencryptedBatch = {
  readonly reencrypted: number;
  /** Left as they are: no key in the settings opens them. */
  readonly unreadable: readonly {
    readonly column: string;
    readonly rowId: string;
  }[];
  readonly nextCursor: string | null;
};

export type Reencryption = {
  readonly cursor?: string | undefined;
};

export type Relay = {
  readonly id: string;
  readonly name: string;
  readonly site: {
    readonly id: string;
    readonly name: string;
  };
  readonly state: "offline" | "online";
  /** It gets new sessions: online, not disabled, and nobody drains it. */
  readonly serving: boolean;
  /** Its operator drains it, or it is stopping; as it said last. */
  readonly draining: boolean;
  /** The drain that was ordered here, and when it ends living sessions; null: there is none. */
  readonly drain: {
    readonly endsAt: string | null;
  } | null;
  readonly disabled: boolean;
  /** Where SPICE clients reach it. */
  readonly host: string;
  readonly tlsPort: number;
  /** Where it takes HTTP CONNECT. */
  readonly connectPort: number | null;
  readonly hostSubject: string;
  readonly build: string | null;
  /** The version of the contract that its last welcome agreed on. */
  readonly controlVersion: number | null;
  readonly channelsMax: number | null;
  /** What placement goes by; null: it has not said. */
  readonly load: {
    /** Tenths of what it can carry: 0 to 10. */
    readonly level: number;
    readonly full: boolean;
    readonly at: string;
  } | null;
  /** How far its clock was ahead as it came; null: it did not say. */
  readonly clockSkewMs: number | null;
  /** Its clock was off by more than 30 s. */
  readonly clockOff: boolean;
  readonly enrolledAt: string;
  /** Its last coming or going. */
  readonly lastSeenAt: string | null;
};

export type RelayChanges = {
  readonly name?: string | undefined;
  readonly siteId?: string | undefined;
};

export type RelayDisabling = {
  readonly endSessions?: boolean | undefined;
};

export type RelayDrain = {
  /** Seconds after which living sessions end; null: they go on as long as they like. */
  readonly deadlineS?: number | null | undefined;
};

export type RelayHealth = Relay & {
  /** What its hub knows at this moment; null: it did not answer. */
  readonly link: {
    readonly linked: boolean;
    /** Heartbeats included. */
    readonly heardAt: string | null;
    readonly load: RelayLoad;
    /** Orders and grants that it has not taken yet. */
    readonly waiting: number;
  } | null;
  /** Why it was refused or lost, the newest first. */
  readonly lastErrors: readonly {
    readonly at: string;
    readonly code: string;
    readonly detail: string;
  }[];
};

export type RelayKeys = {
  /** Of the key by which it proves itself. */
  readonly fingerprint: string;
  /** Of the key that it is changing to. */
  readonly nextFingerprint: string | null;
  readonly ticketEpoch: number;
  readonly certificate: {
    /** own: its operator's. */
    readonly kind: "issued" | "own";
    readonly hostSubject: string | null;
    readonly endsAt: string | null;
  };
};

export type RelayLoad = {
  readonly sessions: number;
  readonly channels: number;
  readonly bytesPerS: number;
  readonly cpuShare: number;
  readonly loopDelayMs: number;
} | null;

export type RelayPage = {
  readonly items: readonly Relay[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type RevokedShare = {
  /** Living sessions that their relays end now. */
  readonly sessionsEnding: number;
  /** Living sessions whose relay is told when it is back. */
  readonly sessionsWaiting: number;
};

export type SecretCounts = {
  readonly currentKeyId: string;
  readonly counts: readonly {
    readonly column: string;
    /** Empty: sealed before keys had ids. */
    readonly keyId: string;
    readonly count: number;
  }[];
};

export type Session = {
  readonly id: string;
  readonly state: "pending" | "active" | "ended";
  readonly console: {
    readonly id: string;
    readonly name: string;
  };
  /** Null for somebody else's session of a console that you own. */
  readonly user: {
    readonly id: string;
    readonly username: string;
  } | null;
  /** The link of the user's through which a guest opened it. */
  readonly share: {
    readonly id: string;
    readonly label: string | null;
  } | null;
  readonly relay: {
    readonly id: string;
    readonly name: string;
  } | null;
  readonly clientAddress: string | null;
  readonly createdAt: string;
  readonly openedAt: string | null;
  readonly endedAt: string | null;
  readonly endReason: string | null;
  /** For who may read everybody's sessions; null for others. */
  readonly endDetail: string | null;
  /**
   * Why its relay refused its main channel last, or why it had to end as soon as it was
   * open: a code; null when neither was so.
   */
  readonly refusedCode: string | null;
  /** Bytes from the client. */
  readonly clientBytes: number;
  /** Bytes from the console. */
  readonly serverBytes: number;
  /** Who asked last for its end; null when nobody did. */
  readonly endRequest: {
    readonly at: string;
    readonly user: {
      readonly id: string;
      readonly username: string | null;
    };
  } | null;
};

export type SessionChannel = {
  readonly channel: "main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav";
  readonly channelId: number;
  readonly clientAddress: string | null;
  readonly openedAt: string;
  /** Null while it is open. */
  readonly closedAt: string | null;
  readonly closeReason: string | null;
  /** Bytes from the client, once it is closed. */
  readonly clientBytes: number;
  /** Bytes from the console, once it is closed. */
  readonly serverBytes: number;
};

export type SessionDetail = Session & {
  /** Each time that a channel was opened, in order. */
  readonly channels: readonly SessionChannel[];
};

export type SessionPage = {
  readonly items: readonly Session[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Share = {
  readonly id: string;
  readonly console: {
    readonly id: string;
    readonly name: string;
  };
  readonly issuer: {
    readonly id: string;
    readonly username: string;
  };
  readonly label: string | null;
  readonly policy: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | null;
  readonly uses: number;
  readonly usesLeft: number;
  /** Only an active link opens. */
  readonly state: "active" | "used-up" | "expired" | "revoked" | "console-deleted";
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
};

export type ShareOpening = {
  readonly token: string;
  readonly way?: "tls" | "connect" | undefined;
};

export type SharePage = {
  readonly items: readonly Share[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type ShareRevocation = {
  readonly endSessions?: boolean | undefined;
};

export type SigningKey = {
  readonly kid: string;
  readonly state: "next" | "active" | "retired";
  /** The `x` of its JWK, which is Ed25519. */
  readonly publicKey: string;
  readonly createdAt: string;
  readonly activatedAt: string | null;
  readonly retiredAt: string | null;
  /** Until when what it signed is accepted; null while it is in use. */
  readonly verifiesUntil: string | null;
};

export type SigningKeyRotation = {
  /** Rotate only while this key signs. */
  readonly activeKid?: string | undefined;
  readonly emergency?: boolean | undefined;
};

export type SigningKeys = {
  readonly items: readonly SigningKey[];
};

export type Site = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Sites whose relays take over, in this order. */
  readonly fallbacks: readonly {
    readonly id: string;
    readonly name: string;
  }[];
  readonly createdAt: string;
};

export type SiteChanges = {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  /** In the place of all that it had. */
  readonly fallbackIds?: readonly string[] | undefined;
};

export type SitePage = {
  readonly items: readonly Site[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type SourceSite = {
  readonly siteId: string;
};

export type StoredConsole = {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly source: string;
  readonly project: string | null;
  readonly tags: readonly string[];
  readonly createdAt: string;
  /** How far the caller's right to it goes. */
  readonly access: "view" | "open" | "own";
  /** This and all that follows: admins only. */
  readonly host?: string | undefined;
  readonly port?: number | null | undefined;
  readonly tlsPort?: number | null | undefined;
  readonly hostSubject?: string | null | undefined;
  readonly proxy?: string | null | undefined;
  readonly policy?: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  } | null | undefined;
  /** The site whose relays reach it; null: its source's. */
  readonly siteId?: string | null | undefined;
  /** Rules that no relay that is online can enforce: their sessions get no ticket. */
  readonly warnings: readonly {
    readonly rule: "controlLoss" | "notAfter" | "usb" | "clipboard" | "fileTransfer" | "input";
    readonly message: string;
  }[];
};

export type StoredPolicy = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly rules: {
    readonly channels?: readonly ("main" | "display" | "inputs" | "cursor" | "playback" | "record" | "tunnel" | "smartcard" | "usbredir" | "port" | "webdav")[] | null | undefined;
    readonly firewall?: "enforce" | "observe" | undefined;
    readonly secondViewer?: "refuse" | "take-over" | undefined;
    readonly reconnectWindowS?: number | undefined;
    readonly idleS?: number | null | undefined;
    readonly durationS?: number | null | undefined;
    readonly sessionsMax?: number | null | undefined;
    readonly allowedHours?: {
      readonly timeZone: string;
      readonly windows: readonly {
        readonly days: readonly ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
        readonly from: string;
        readonly to: string;
      }[];
    } | null | undefined;
    readonly controlLoss?: "fail-static" | {
      readonly strict: number;
    } | undefined;
    readonly clipboard?: "allow" | "to-guest" | "to-client" | "deny" | undefined;
    readonly fileTransfer?: "allow" | "deny" | undefined;
    readonly usb?: "allow" | "deny" | undefined;
    readonly input?: "allow" | "deny" | undefined;
  };
  readonly createdAt: string;
  readonly changedAt: string;
  /** Rules that no relay that is online can enforce: their sessions get no ticket. */
  readonly warnings: readonly {
    readonly rule: "controlLoss" | "notAfter" | "usb" | "clipboard" | "fileTransfer" | "input";
    readonly message: string;
  }[];
};

export type StoredPolicyAttachment = {
  readonly id: string;
  readonly policy: {
    readonly id: string;
    readonly name: string;
  };
  readonly kind: "everyone" | "console" | "source" | "group" | "user";
  readonly subject: {
    /** Of that kind, or `everyone`. */
    readonly id: string;
    /** Null: it is gone. */
    readonly name: string | null;
  };
  readonly createdAt: string;
  /** Rules that no relay that is online can enforce: their sessions get no ticket. */
  readonly warnings: readonly {
    readonly rule: "controlLoss" | "notAfter" | "usb" | "clipboard" | "fileTransfer" | "input";
    readonly message: string;
  }[];
};

export type Termination = {
  readonly sessionId: string;
  readonly state: "ending" | "ended";
};

export type Terminations = {
  /** Their relays end them now. */
  readonly ending: readonly string[];
  /** Their relays are told when they can be reached again. */
  readonly unreached: readonly {
    readonly sessionId: string;
    readonly code: string;
  }[];
  /** There were more than one call ends: call again. */
  readonly more: boolean;
};

export type Ticket = {
  readonly sessionId: string;
  readonly vvUrl: string;
  readonly expiresAt: string;
};

export type TicketEpoch = {
  readonly ticketEpoch: number;
};

export type TicketRequest = {
  /** How the client reaches the relay: by TLS, or through its HTTP CONNECT port. */
  readonly way?: "tls" | "connect" | undefined;
};

export type User = {
  readonly id: string;
  readonly username: string;
  readonly displayName: string | null;
  readonly email: string | null;
  readonly role: "admin" | "operator" | "auditor" | "user";
  /** `local`, or the name of the login provider that the person comes through. */
  readonly origin: string;
  readonly hasPassword: boolean;
  readonly disabled: boolean;
  readonly disabledAt: string | null;
  readonly createdAt: string;
  readonly lastLoginAt: string | null;
};

export type UserChanges = {
  readonly role?: "admin" | "operator" | "auditor" | "user" | undefined;
  readonly displayName?: string | null | undefined;
  readonly email?: string | null | undefined;
  /** Disabling ends the user's logins, API tokens and sessions at once. */
  readonly disabled?: boolean | undefined;
};

export type UserPage = {
  readonly items: readonly User[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type WebAccess = {
  readonly host: string;
  readonly port: number;
  readonly webSocketUrl: string;
  /** The ticket, and the SPICE password. */
  readonly token: string;
  readonly expiresAt: string;
};

export type Webhook = {
  readonly id: string;
  readonly url: string;
  readonly description: string;
  readonly events: readonly string[];
  readonly enabled: boolean;
  /** Why it was disabled by itself. */
  readonly disabledReason: "dead-letters" | "gone" | null;
  readonly createdAt: string;
  /** When a message was taken last. */
  readonly deliveredAt: string | null;
  /** Events of the trail that it has not passed yet. */
  readonly eventsBehind: number;
};

export type WebhookChanges = {
  /** Where messages are posted: https, and no private address. */
  readonly url?: string | undefined;
  readonly description?: string | undefined;
  /** Types, families such as `session.*`, or `*`. */
  readonly events?: readonly string[] | undefined;
  readonly enabled?: boolean | undefined;
};

export type WebhookDelivery = {
  /** The message's `webhook-id`. */
  readonly id: string;
  readonly state: "retrying" | "redriving" | "dead" | "delivered";
  readonly attempts: number;
  readonly createdAt: string;
  readonly attemptedAt: string;
  readonly nextAttemptAt: string | null;
  /** The last answer's HTTP status. */
  readonly status: number | null;
  /** Why it was not taken; null: it was. */
  readonly error: string | null;
};

export type WebhookDeliveryPage = {
  readonly items: readonly WebhookDelivery[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type WebhookInput = {
  /** Where messages are posted: https, and no private address. */
  readonly url: string;
  readonly description?: string | undefined;
  /** Types, families such as `session.*`, or `*`. */
  readonly events?: readonly string[] | undefined;
};

export type WebhookSecret = {
  readonly webhook: Webhook;
  /** What messages are signed with. Shown once. */
  readonly secret: string;
};

export type WebhookTest = {
  /** The last answer's HTTP status. */
  readonly status: number | null;
  /** Why it was not taken; null: it was. */
  readonly error: string | null;
};

/** By method and path: what a call is given, and what it answers when it succeeds. */
export interface Operations {
  /** Whether the control plane's process answers */
  readonly "GET /healthz": {
    readonly answer: Health;
  };

  /** Whether the control plane can do its work */
  readonly "GET /readyz": {
    readonly answer: Readiness;
  };

  /** Metrics for Prometheus */
  readonly "GET /metrics": {
    readonly answer: string;
  };

  /** The public keys that grants may be signed with (RFC 7517) */
  readonly "GET /.well-known/jwks.json": {
    readonly answer: JsonWebKeySet;
  };

  /** Which ways to log in are switched on */
  readonly "GET /api/v1/auth/methods": {
    readonly answer: LoginMethods;
  };

  /** Log in */
  readonly "POST /api/v1/auth/login": {
    readonly body: Credentials;
    readonly answer: Login;
  };

  /** End the login that the request was made with */
  readonly "POST /api/v1/auth/logout": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: null;
  };

  /** Begin to log in through an OpenID provider, in a browser */
  readonly "GET /api/v1/auth/oidc/{provider}/start": {
    readonly params: {
      readonly provider: string;
    };
    readonly query?: {
      /** The path to see afterwards; other sites' become `/`. */
      readonly returnTo?: string | undefined;
    };
    readonly answer: null;
  };

  /** Come back from an OpenID provider */
  readonly "GET /api/v1/auth/oidc/{provider}/callback": {
    readonly params: {
      readonly provider: string;
    };
    readonly answer: null;
  };

  /** Who the caller is, and what they may do */
  readonly "GET /api/v1/account": {
    readonly answer: Account;
  };

  /** Change the own password; the other logins end */
  readonly "POST /api/v1/account/password": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: PasswordChange;
    readonly answer: null;
  };

  /** List the own logins, newest first */
  readonly "GET /api/v1/account/logins": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: LoginPage;
  };

  /** End one of the own logins */
  readonly "DELETE /api/v1/account/logins/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** End the own logins except the one that this request came with */
  readonly "POST /api/v1/account/logins/end-others": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: EndedLogins;
  };

  /** Make an API token */
  readonly "POST /api/v1/account/tokens": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewApiToken;
    readonly answer: IssuedApiToken;
  };

  /** List the own API tokens, newest first */
  readonly "GET /api/v1/account/tokens": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: ApiTokenPage;
  };

  /** Revoke one of the own API tokens */
  readonly "DELETE /api/v1/account/tokens/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** List people by user name */
  readonly "GET /api/v1/users": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** Only names that begin so, in any case. */
      readonly prefix?: string | undefined;
      readonly role?: "admin" | "operator" | "auditor" | "user" | undefined;
    };
    readonly answer: UserPage;
  };

  /** Add somebody who logs in by a password */
  readonly "POST /api/v1/users": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewUser;
    readonly answer: User;
  };

  /** Read one of the people */
  readonly "GET /api/v1/users/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: User;
  };

  /** Change a user; null takes a value away */
  readonly "PATCH /api/v1/users/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: UserChanges;
    readonly answer: User;
  };

  /** Delete a user for good, with name, credentials and memberships; sessions end */
  readonly "DELETE /api/v1/users/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** Give a user another password; their logins end */
  readonly "PUT /api/v1/users/{id}/password": {
    readonly params: {
      readonly id: string;
    };
    readonly body: NewPassword;
    readonly answer: null;
  };

  /** List the groups that a user is in */
  readonly "GET /api/v1/users/{id}/groups": {
    readonly params: {
      readonly id: string;
    };
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: GroupOfUserPage;
  };

  /** List a user's logins, newest first */
  readonly "GET /api/v1/users/{id}/logins": {
    readonly params: {
      readonly id: string;
    };
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: LoginPage;
  };

  /** End all of a user's logins */
  readonly "DELETE /api/v1/users/{id}/logins": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: EndedLogins;
  };

  /** End one of a user's logins */
  readonly "DELETE /api/v1/users/{id}/logins/{loginId}": {
    readonly params: {
      readonly id: string;
      readonly loginId: string;
    };
    readonly answer: null;
  };

  /** List a user's API tokens, newest first */
  readonly "GET /api/v1/users/{id}/tokens": {
    readonly params: {
      readonly id: string;
    };
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: ApiTokenPage;
  };

  /** Revoke one of a user's API tokens */
  readonly "DELETE /api/v1/users/{id}/tokens/{tokenId}": {
    readonly params: {
      readonly id: string;
      readonly tokenId: string;
    };
    readonly answer: null;
  };

  /** List the groups by name */
  readonly "GET /api/v1/groups": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** Only names that begin so, in any case. */
      readonly prefix?: string | undefined;
    };
    readonly answer: GroupPage;
  };

  /** Make a group */
  readonly "POST /api/v1/groups": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewGroup;
    readonly answer: Group;
  };

  /** Read a group */
  readonly "GET /api/v1/groups/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Group;
  };

  /** Change a group; null takes the description away */
  readonly "PATCH /api/v1/groups/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: GroupChanges;
    readonly answer: Group;
  };

  /** Delete a group; its members stay */
  readonly "DELETE /api/v1/groups/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** List a group's members */
  readonly "GET /api/v1/groups/{id}/members": {
    readonly params: {
      readonly id: string;
    };
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: GroupMemberPage;
  };

  /** Put a user into a group */
  readonly "PUT /api/v1/groups/{id}/members/{userId}": {
    readonly params: {
      readonly id: string;
      readonly userId: string;
    };
    readonly answer: null;
  };

  /** Take a user out of a group */
  readonly "DELETE /api/v1/groups/{id}/members/{userId}": {
    readonly params: {
      readonly id: string;
      readonly userId: string;
    };
    readonly answer: null;
  };

  /** Add a console */
  readonly "POST /api/v1/consoles": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewConsole;
    readonly answer: StoredConsole;
  };

  /** List the consoles that the caller may see, by name */
  readonly "GET /api/v1/consoles": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** Only consoles of this name. */
      readonly name?: string | undefined;
      /** Only consoles whose name begins so; capitals matter. */
      readonly namePrefix?: string | undefined;
      readonly source?: string | undefined;
      /** The project or namespace in the source. */
      readonly project?: string | undefined;
      readonly tag?: string | undefined;
      /** Only consoles of this site; for those who may read relays. */
      readonly siteId?: string | undefined;
    };
    readonly answer: ConsolePage;
  };

  /** Read a console */
  readonly "GET /api/v1/consoles/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Console;
  };

  /** Change a console; null takes a value away */
  readonly "PATCH /api/v1/consoles/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: ConsoleChanges;
    readonly answer: StoredConsole;
  };

  /** Delete a console; its tickets are void, and its sessions end */
  readonly "DELETE /api/v1/consoles/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** Ask for a ticket */
  readonly "POST /api/v1/consoles/{id}/tickets": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body?: TicketRequest;
    readonly answer: Ticket;
  };

  /** Fetch a console file, once */
  readonly "GET /api/v1/vv/{token}": {
    readonly params: {
      readonly token: string;
    };
    readonly answer: string | WebAccess;
  };

  /** List the rules of who may see and open which console, newest first */
  readonly "GET /api/v1/access-rules": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** A user's or a group's id, or `everyone`. */
      readonly subjectId?: string | undefined;
      /** Only rules about this single console. */
      readonly consoleId?: string | undefined;
    };
    readonly answer: AccessRulePage;
  };

  /** Grant somebody access to consoles */
  readonly "POST /api/v1/access-rules": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewAccessRule;
    readonly answer: AccessRule;
  };

  /** Read a rule */
  readonly "GET /api/v1/access-rules/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: AccessRule;
  };

  /** Change a rule's level, or what it is about */
  readonly "PATCH /api/v1/access-rules/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: AccessRuleChanges;
    readonly answer: AccessRule;
  };

  /** Take a rule away; sessions that live go on */
  readonly "DELETE /api/v1/access-rules/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** List the rules by which anybody reaches a console, newest first */
  readonly "GET /api/v1/consoles/{id}/access": {
    readonly params: {
      readonly id: string;
    };
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: AccessRulePage;
  };

  /** Say why a user may do with a console what they may */
  readonly "GET /api/v1/access/explain": {
    readonly query: {
      readonly userId: string;
      readonly consoleId: string;
    };
    readonly answer: AccessExplanation;
  };

  /** Issue a link that opens one console for a guest */
  readonly "POST /api/v1/shares": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewShare;
    readonly answer: IssuedShare;
  };

  /** List the caller's links, newest first; everybody's for who manages them all */
  readonly "GET /api/v1/shares": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** Only of this console. */
      readonly consoleId?: string | undefined;
    };
    readonly answer: SharePage;
  };

  /** Open a console by a link */
  readonly "POST /api/v1/shares/open": {
    readonly body: ShareOpening;
    readonly answer: Ticket;
  };

  /** Read a link; its token is not shown again */
  readonly "GET /api/v1/shares/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Share;
  };

  /** Revoke a link, and end its sessions where that is wished */
  readonly "POST /api/v1/shares/{id}/revoke": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body?: ShareRevocation;
    readonly answer: RevokedShare;
  };

  /** Follow the changes of the sessions that the caller may see */
  readonly "GET /api/v1/sessions/feed": {
    readonly headers?: {
      /** The id of the last event that was seen. */
      readonly "last-event-id"?: string | undefined;
    };
    readonly answer: string;
  };

  /** List the caller's sessions and those of consoles that they own, newest first */
  readonly "GET /api/v1/sessions": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** `live` is pending or active. */
      readonly state?: "pending" | "active" | "ended" | "live" | undefined;
      readonly consoleId?: string | undefined;
      readonly userId?: string | undefined;
      readonly relayId?: string | undefined;
      /** Created then or later. */
      readonly from?: string | undefined;
      /** Created before. */
      readonly to?: string | undefined;
    };
    readonly answer: SessionPage;
  };

  /** Read a session */
  readonly "GET /api/v1/sessions/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: SessionDetail;
  };

  /** End a session */
  readonly "POST /api/v1/sessions/{id}/terminate": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: Termination;
  };

  /** End the living sessions of a console; for its owner too */
  readonly "POST /api/v1/consoles/{id}/sessions/terminate": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: Terminations;
  };

  /** End the living sessions of a user; one's own too */
  readonly "POST /api/v1/users/{id}/sessions/terminate": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: Terminations;
  };

  /** Read the audit trail, newest first */
  readonly "GET /api/v1/audit": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** Any of these types, by comma; `session.*` stands for all that begin so. */
      readonly type?: string | undefined;
      /** Who did it: a user, a token or a relay. */
      readonly actorId?: string | undefined;
      /** The id of what it is about: a user, a group, a policy, a console, … */
      readonly about?: string | undefined;
      readonly consoleId?: string | undefined;
      readonly sessionId?: string | undefined;
      readonly relayId?: string | undefined;
      /** The address of the caller or of the SPICE client, whole. */
      readonly address?: string | undefined;
      readonly requestId?: string | undefined;
      /** Not before this time. */
      readonly from?: string | undefined;
      /** Before this time. */
      readonly to?: string | undefined;
    };
    readonly answer: AuditPage;
  };

  /** Explain the policy of a session: every rule, who says what of it, and which one wins */
  readonly "GET /api/v1/policies/effective": {
    readonly query: {
      readonly consoleId: string;
      /** The caller by default; others for those who may read policies and people. */
      readonly userId?: string | undefined;
    };
    readonly answer: EffectivePolicy;
  };

  /** List the policies, by name */
  readonly "GET /api/v1/policies": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: PolicyPage;
  };

  /** Make a policy */
  readonly "POST /api/v1/policies": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewPolicy;
    readonly answer: StoredPolicy;
  };

  /** Read a policy */
  readonly "GET /api/v1/policies/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Policy;
  };

  /** Change a policy; living sessions keep what they began with */
  readonly "PATCH /api/v1/policies/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: PolicyChanges;
    readonly answer: StoredPolicy;
  };

  /** Delete a policy that is attached to nothing */
  readonly "DELETE /api/v1/policies/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** List what policies are attached to */
  readonly "GET /api/v1/policy-attachments": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      readonly policyId?: string | undefined;
      /** A console's, source's, group's or user's id, or `everyone`. */
      readonly subjectId?: string | undefined;
    };
    readonly answer: PolicyAttachmentPage;
  };

  /** Attach a policy to everyone, a console, a source, a group or a user */
  readonly "POST /api/v1/policy-attachments": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewPolicyAttachment;
    readonly answer: StoredPolicyAttachment;
  };

  /** Detach a policy */
  readonly "DELETE /api/v1/policy-attachments/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** Read the audit trail in the order of its chains, each from its first link on */
  readonly "GET /api/v1/audit/links": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: AuditLinkPage;
  };

  /** List where the audit trail's chains end */
  readonly "GET /api/v1/audit/heads": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly items: readonly AuditHead[];
      /** Null on the last page. */
      readonly nextCursor: string | null;
    };
  };

  /** List the signed checkpoints of the audit trail, oldest first */
  readonly "GET /api/v1/audit/checkpoints": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly items: readonly AuditCheckpoint[];
      /** Null on the last page. */
      readonly nextCursor: string | null;
    };
  };

  /** Read the public keys that checkpoints are signed with, as a JWK set */
  readonly "GET /api/v1/audit/keys": {
    readonly answer: AuditKeys;
  };

  /** Export the audit trail as a file */
  readonly "GET /api/v1/audit/export": {
    readonly query?: {
      readonly format?: "ndjson" | "csv" | undefined;
      readonly order?: "time" | "chain" | undefined;
      /** Any of these types, by comma; `session.*` stands for all that begin so. */
      readonly type?: string | undefined;
      /** Who did it: a user, a token or a relay. */
      readonly actorId?: string | undefined;
      /** The id of what it is about: a user, a group, a policy, a console, … */
      readonly about?: string | undefined;
      readonly consoleId?: string | undefined;
      readonly sessionId?: string | undefined;
      readonly relayId?: string | undefined;
      /** The address of the caller or of the SPICE client, whole. */
      readonly address?: string | undefined;
      readonly requestId?: string | undefined;
      /** Not before this time. */
      readonly from?: string | undefined;
      /** Before this time. */
      readonly to?: string | undefined;
    };
    readonly answer: string;
  };

  /** Make a join token: it lets one new relay enrol, within minutes */
  readonly "POST /api/v1/relays/join-tokens": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body?: JoinTokenRequest;
    readonly answer: JoinToken;
  };

  /** List the join tokens that can still be used, newest first */
  readonly "GET /api/v1/relays/join-tokens": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: JoinTokenPage;
  };

  /** Revoke a join token that was not used yet */
  readonly "DELETE /api/v1/relays/join-tokens/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** Enrol a relay: called by the relay itself, authorised by its join token */
  readonly "POST /api/v1/relays/enrol": {
    readonly body: {
      readonly joinToken: string;
      readonly name: string;
      readonly host: string;
      readonly tlsPort: number;
      readonly publicKey: string;
      readonly csr: string;
    };
    readonly answer: {
      readonly relayId: string;
      readonly controlUrl: string;
      readonly certificate: string;
      readonly ca: string;
      readonly hostSubject: string;
    };
  };

  /** List the relays by name */
  readonly "GET /api/v1/relays": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      readonly name?: string | undefined;
      readonly siteId?: string | undefined;
      /** `draining`: online, and it takes no new sessions. */
      readonly state?: "online" | "offline" | "draining" | "disabled" | undefined;
    };
    readonly answer: RelayPage;
  };

  /** Read a relay and its health */
  readonly "GET /api/v1/relays/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: RelayHealth;
  };

  /** Give a relay another name or site */
  readonly "PATCH /api/v1/relays/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: RelayChanges;
    readonly answer: Relay;
  };

  /** Delete a relay that is offline or disabled */
  readonly "DELETE /api/v1/relays/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** List the keys that sign grants, newest first */
  readonly "GET /api/v1/signing-keys": {
    readonly answer: SigningKeys;
  };

  /** Let the next key sign, and make another next one */
  readonly "POST /api/v1/signing-keys/rotate": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body?: SigningKeyRotation;
    readonly answer: SigningKeys;
  };

  /** Give a relay another key for its tickets */
  readonly "POST /api/v1/relays/{id}/rotate-ticket-key": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: TicketEpoch;
  };

  /** Read a relay's keys and certificate */
  readonly "GET /api/v1/relays/{id}/keys": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: RelayKeys;
  };

  /** Count the sealed secrets by the key that sealed them */
  readonly "GET /api/v1/secrets": {
    readonly answer: SecretCounts;
  };

  /** Seal a batch of secrets with the current key in the place of older ones */
  readonly "POST /api/v1/secrets/reencrypt": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body?: Reencryption;
    readonly answer: ReencryptedBatch;
  };

  /** List what is done by the clock, and how it went */
  readonly "GET /api/v1/jobs": {
    readonly answer: {
      readonly items: readonly Job[];
    };
  };

  /** Have a job run at once */
  readonly "POST /api/v1/jobs/{name}/run": {
    readonly params: {
      readonly name: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: Job;
  };

  /** List the webhooks */
  readonly "GET /api/v1/webhooks": {
    readonly answer: {
      readonly items: readonly Webhook[];
    };
  };

  /** Add a webhook */
  readonly "POST /api/v1/webhooks": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: WebhookInput;
    readonly answer: WebhookSecret;
  };

  /** Read a webhook */
  readonly "GET /api/v1/webhooks/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Webhook;
  };

  /** Change a webhook */
  readonly "PATCH /api/v1/webhooks/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: WebhookChanges;
    readonly answer: Webhook;
  };

  /** Delete a webhook with its messages */
  readonly "DELETE /api/v1/webhooks/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** Give a webhook another secret */
  readonly "POST /api/v1/webhooks/{id}/rotate-secret": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: WebhookSecret;
  };

  /** Send a message without events now, and tell what became of it */
  readonly "POST /api/v1/webhooks/{id}/test": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: WebhookTest;
  };

  /** List the messages that failed at least once, newest first */
  readonly "GET /api/v1/webhooks/{id}/deliveries": {
    readonly params: {
      readonly id: string;
    };
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: WebhookDeliveryPage;
  };

  /** Have a message that failed tried again at once, also a dead one */
  readonly "POST /api/v1/webhooks/{id}/deliveries/{deliveryId}/redrive": {
    readonly params: {
      readonly id: string;
      readonly deliveryId: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: null;
  };

  /** Drain a relay from here */
  readonly "POST /api/v1/relays/{id}/drain": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body?: RelayDrain;
    readonly answer: Relay;
  };

  /** End the drain that was ordered here */
  readonly "POST /api/v1/relays/{id}/resume": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: Relay;
  };

  /** Refuse a relay's link, so that it gets no sessions */
  readonly "POST /api/v1/relays/{id}/disable": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body?: RelayDisabling;
    readonly answer: Relay;
  };

  /** Let a disabled relay link again */
  readonly "POST /api/v1/relays/{id}/enable": {
    readonly params: {
      readonly id: string;
    };
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: Relay;
  };

  /** List the sites by name */
  readonly "GET /api/v1/sites": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: SitePage;
  };

  /** Add a site */
  readonly "POST /api/v1/sites": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewSite;
    readonly answer: Site;
  };

  /** Read a site */
  readonly "GET /api/v1/sites/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Site;
  };

  /** Change a site */
  readonly "PATCH /api/v1/sites/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly body: SiteChanges;
    readonly answer: Site;
  };

  /** Delete a site that nothing belongs to and nothing falls back on */
  readonly "DELETE /api/v1/sites/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: null;
  };

  /** Make a source's consoles belong to a site */
  readonly "PUT /api/v1/sources/{name}/site": {
    readonly params: {
      readonly name: string;
    };
    readonly body: SourceSite;
    readonly answer: null;
  };
}
