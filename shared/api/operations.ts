/**
 * The API's types, made from its description by `npm run docs:client`: change the routes, not this
 * file. A field that is new in an answer is no breach of them.
 */

export type AuditEvent = {
  readonly id: string;
  readonly at: string;
  readonly type: "user.created" | "user.logged-in" | "user.login-refused" | "user.logged-out" | "source.created" | "console.created" | "console.updated" | "console.deleted" | "ticket.issued" | "ticket.denied" | "ticket.withdrawn" | "ticket.downloaded" | "ticket.refused" | "session.failed" | "session.opened" | "session.resumed" | "session.ended" | "session.terminate-requested" | "session.superseded" | "channel.opened" | "channel.closed" | "channel.firewall" | "channel.refused" | "join-token.created" | "relay.enrolled" | "relay.online" | "relay.offline" | "relay.draining" | "relay.serving" | "relay.refused";
  readonly actor: {
    readonly kind: "user" | "relay" | "system" | "anonymous";
    readonly id: string | null;
  };
  readonly address: string | null;
  readonly requestId: string | null;
  readonly consoleId: string | null;
  readonly sessionId: string | null;
  readonly relayId: string | null;
  /** What belongs to the type. */
  readonly data: Readonly<Record<string, string | number | readonly {
    readonly direction: "client" | "server";
    readonly rule: "type" | "size" | "sub-list" | "rate";
    readonly messageType: number | null;
    readonly count: number;
  }[]>>;
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
  readonly createdAt: string;
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
  } | null | undefined;
};

export type ConsoleChanges = {
  readonly name?: string | undefined;
  /** Where the hypervisor serves SPICE. */
  readonly host?: string | undefined;
  readonly port?: number | null | undefined;
  readonly tlsPort?: number | null | undefined;
  readonly ca?: string | null | undefined;
  readonly hostSubject?: string | null | undefined;
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
  } | null | undefined;
};

export type ConsolePage = {
  readonly items: readonly Console[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Credentials = {
  readonly username: string;
  readonly password: string;
};

export type Health = {
  readonly status: "ok";
};

export type JoinToken = {
  readonly token: string;
  readonly expiresAt: string;
};

export type Login = {
  readonly token: string;
  readonly expiresAt: string;
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
  } | undefined;
  readonly source?: string | undefined;
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

export type Relay = {
  readonly id: string;
  readonly name: string;
  readonly state: "offline" | "online";
  /** It takes no new sessions; as it said last. */
  readonly draining: boolean;
  /** Where SPICE clients reach it. */
  readonly host: string;
  readonly tlsPort: number;
  /** Where it takes HTTP CONNECT. */
  readonly connectPort: number | null;
  readonly hostSubject: string;
  readonly build: string | null;
  readonly channelsMax: number | null;
  readonly enrolledAt: string;
  /** Its last coming or going. */
  readonly lastSeenAt: string | null;
};

export type RelayPage = {
  readonly items: readonly Relay[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Session = {
  readonly id: string;
  readonly state: "pending" | "active" | "ended";
  readonly console: {
    readonly id: string;
    readonly name: string;
  };
  readonly user: {
    readonly id: string;
    readonly username: string;
  };
  readonly relay: {
    readonly id: string;
    readonly name: string;
  } | null;
  readonly clientAddress: string | null;
  readonly createdAt: string;
  readonly openedAt: string | null;
  readonly endedAt: string | null;
  readonly endReason: string | null;
  /** Admins only; null for others. */
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
};

export type SessionPage = {
  readonly items: readonly Session[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type Termination = {
  readonly sessionId: string;
  readonly state: "ending" | "ended";
};

export type Ticket = {
  readonly sessionId: string;
  readonly vvUrl: string;
  readonly expiresAt: string;
};

export type TicketRequest = {
  /** How the client reaches the relay: by TLS, or through its HTTP CONNECT port. */
  readonly way?: "tls" | "connect" | undefined;
};

export type WebAccess = {
  readonly host: string;
  readonly port: number;
  readonly webSocketUrl: string;
  /** The ticket, and the SPICE password. */
  readonly token: string;
  readonly expiresAt: string;
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

  /** Add a console */
  readonly "POST /api/v1/consoles": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly body: NewConsole;
    readonly answer: Console;
  };

  /** List the consoles that the caller may open, by name */
  readonly "GET /api/v1/consoles": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      /** Only consoles of this name. */
      readonly name?: string | undefined;
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
    readonly answer: Console;
  };

  /** Delete a console; sessions that live go on */
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

  /** List the caller's sessions, newest first; everybody's for who may read them */
  readonly "GET /api/v1/sessions": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
    };
    readonly answer: SessionPage;
  };

  /** Read a session */
  readonly "GET /api/v1/sessions/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Session;
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

  /** Read the audit trail, newest first */
  readonly "GET /api/v1/audit": {
    readonly query?: {
      readonly limit?: number | undefined;
      /** The `nextCursor` of the page before. */
      readonly cursor?: string | undefined;
      readonly consoleId?: string | undefined;
      readonly sessionId?: string | undefined;
      readonly relayId?: string | undefined;
      readonly type?: "user.created" | "user.logged-in" | "user.login-refused" | "user.logged-out" | "source.created" | "console.created" | "console.updated" | "console.deleted" | "ticket.issued" | "ticket.denied" | "ticket.withdrawn" | "ticket.downloaded" | "ticket.refused" | "session.failed" | "session.opened" | "session.resumed" | "session.ended" | "session.terminate-requested" | "session.superseded" | "channel.opened" | "channel.closed" | "channel.firewall" | "channel.refused" | "join-token.created" | "relay.enrolled" | "relay.online" | "relay.offline" | "relay.draining" | "relay.serving" | "relay.refused" | undefined;
    };
    readonly answer: AuditPage;
  };

  /** Make a join token: it lets one new relay enrol, within ten minutes */
  readonly "POST /api/v1/relays/join-tokens": {
    readonly headers?: {
      readonly "Idempotency-Key"?: string | undefined;
    };
    readonly answer: JoinToken;
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
    };
    readonly answer: RelayPage;
  };

  /** Read a relay */
  readonly "GET /api/v1/relays/{id}": {
    readonly params: {
      readonly id: string;
    };
    readonly answer: Relay;
  };
}
