/**
 * Every failure that Kerbside reports, once: its stable code, whose fault it is, whether trying
 * again can help, how it looks in HTTP and in a SPICE link reply, and what to do about it. What a
 * stranger sees is this row; what exactly happened goes to the audit trail and the log.
 */
import { type ErrorRow, http, link, spice } from "./error-row.ts";

const NEW_TICKET = "Ask for a new ticket and open the console with it.";
const CHECK_SERVER = "Check the console's address and that its virtual machine runs.";

export const ERRORS = {
  // Asked over HTTP.
  "request.invalid": http("client", 422, "Correct the fields that the answer names."),
  "request.not-json": http("client", 400, "Send a JSON body with Content-Type application/json."),
  "request.method-not-allowed": http(
    "client",
    405,
    "Use one of the methods that the Allow header names.",
  ),
  "request.precondition-failed": http(
    "client",
    412,
    "Send no If-Match: tags are for If-None-Match, and a PATCH changes only what it names.",
  ),
  "request.too-large": http("client", 413, "Send a smaller body."),
  "request.url-too-long": http("client", 414, "Send a shorter address with fewer parameters."),
  "request.rate-limited": http(
    "client",
    429,
    "Too many attempts. Wait as many seconds as the Retry-After header says.",
    true,
  ),
  "request.cross-origin": http(
    "client",
    403,
    "Use the API from its own origin, or with a bearer token.",
  ),
  "api.version-unknown": http(
    "client",
    404,
    "Use a version of the API that this control plane speaks; the detail names it.",
  ),
  "idempotency.key-reused": http(
    "client",
    422,
    "Use a new Idempotency-Key: another request was sent with this one.",
  ),
  "idempotency.in-progress": http(
    "client",
    409,
    "The first request with this Idempotency-Key is not done yet. Try again shortly.",
    true,
  ),
  "idempotency.answer-lost": http(
    "client",
    409,
    "The first request with this Idempotency-Key was carried out, but its answer is not kept. " +
      "Look at what it made; to do it again use a new key.",
  ),
  "idempotency.too-many-keys": http(
    "client",
    429,
    "Too many Idempotency-Keys within 24 hours. Send the request without one, or later.",
    true,
  ),
  "auth.required": http("client", 401, "Log in and send the token as Authorization: Bearer."),
  "auth.invalid-credentials": http("client", 401, "Check the user name and the password."),
  "auth.not-admitted": http(
    "client",
    403,
    "Ask an administrator: the login provider knows you, but you are not let in here.",
  ),
  "auth.provider-refused": http("client", 401, "Log in at the provider again."),
  "auth.attempt-invalid": http(
    "client",
    400,
    "Begin the login again, in this browser, and finish it within ten minutes.",
  ),
  "auth.provider-unavailable": http(
    "control",
    503,
    "The login provider does not answer as it should. Try again later, or log in another way.",
  ),
  "auth.busy": http(
    "control",
    503,
    "Too many log in by a password at this moment. Try again in a few seconds.",
  ),
  "auth.method-off": http(
    "client",
    403,
    "This way to log in is switched off. GET /api/v1/auth/methods names those that are on.",
  ),
  "auth.forbidden": http("client", 403, "Ask an administrator for the right to do this."),
  "resource.not-found": http("client", 404, "Check the id; it may have been deleted."),
  "resource.conflict": http(
    "client",
    409,
    "Something with that name exists already; choose another.",
  ),
  "console.access-too-low": http(
    "client",
    403,
    "Ask the console's owner or an administrator for a higher level of access to it.",
  ),
  "resource.limit-reached": http("client", 409, "There are as many as may be: remove one first."),
  "resource.managed-elsewhere": http("client", 409, "A login provider says so: change it there."),
  "user.last-admin": http("client", 409, "Nobody could undo it: make another admin first."),
  "console.no-relay": http(
    "control",
    503,
    "No relay can carry this console now; the detail says why. Try again shortly.",
  ),
  "console.in-use": {
    fault: "client",
    retryable: true,
    httpStatus: 409,
    spiceError: "PERMISSION_DENIED",
    hint: "Somebody is watching this console. Wait until that session ends, or end it.",
  },
  "session.limit": http(
    "client",
    409,
    "You have as many sessions as your policies allow. End one, or let one end.",
    true,
  ),
  "policy.outside-hours": {
    fault: "client",
    retryable: true,
    httpStatus: 403,
    spiceError: "PERMISSION_DENIED",
    hint: "The policies that apply allow sessions at other hours only; the detail says when.",
  },
  "policy.no-channels": http(
    "client",
    403,
    "The policies that apply together leave no channel to open. Ask an administrator.",
  ),
  "policy.unenforceable": http(
    "control",
    409,
    "No relay that is online can keep a rule of the policies that apply. Upgrade relays, or change the rule.",
  ),
  "policy.attached": http("client", 409, "Detach the policy from everything, then delete it."),
  "policy.control-lost": spice(
    "control",
    "ERROR",
    "The relay has lost the control plane, and the session's policy is strict about that. Try again shortly.",
    true,
  ),
  "share.gone": http(
    "client",
    410,
    "The link is unknown, expired, used up or revoked. Ask whoever sent it for another one.",
  ),
  "vv.gone": http(
    "client",
    410,
    "A console file can be fetched once, before it expires. Ask for a new ticket.",
  ),
  "webhook.too-many": http(
    "client",
    409,
    "There are as many webhooks as there may be. Delete one that is not used.",
  ),
  "join-token.invalid": http(
    "client",
    401,
    "The join token is unknown, used, revoked or expired. Make a new one.",
  ),
  "relay.csr-invalid": http(
    "client",
    422,
    "Send a PEM certificate request that is signed by its own key.",
  ),
  "relay.unauthorized": http(
    "client",
    401,
    "The relay's key is unknown or its clock is off. Check the time, else enrol again.",
  ),
  "relay.renewal-limited": spice(
    "client",
    null,
    "The relay has had too many certificates signed lately. It tries again by itself.",
    true,
  ),
  "relay.certificate-unusable": spice(
    "client",
    null,
    "The operator's certificate cannot be named in console files; the detail says why.",
  ),
  "relay.key-refused": spice(
    "client",
    null,
    "The offered key is not vouched for by the relay's own key and by itself.",
  ),
  "relay.disabled": http(
    "client",
    403,
    "An administrator has disabled this relay. Ask for it to be enabled; it links again by itself.",
  ),
  "relay.deleted": http(
    "client",
    410,
    "An administrator has deleted this relay. Stop it, or enrol it again with a new join token.",
  ),
  "relay.in-service": http(
    "client",
    409,
    "The relay is online and not disabled. Drain it, then stop or disable it.",
  ),
  "site.in-use": http(
    "client",
    409,
    "Something belongs to the site or falls back on it; the detail says what. Move that first.",
  ),
  "auth.revoked": http(
    "client",
    403,
    "Access was revoked while the ticket was made. Ask again, if you still may.",
    true,
  ),
  "relay.version-unsupported": http("client", 426, "Upgrade the older of relay and control plane."),
  "signing-key.not-published": http(
    "client",
    409,
    "The next signing key is too young to sign: not everybody who verifies may know it yet.",
    true,
  ),
  "signing-key.changed": http(
    "client",
    409,
    "Another rotation came first. Read the signing keys, and rotate again if you still want to.",
  ),
  "signing-key.unreadable": http(
    "control",
    503,
    "No key in SECRETS_KEYS opens the signing key: restore it, or rotate with emergency set.",
    false,
  ),
  "authority.key-missing": http(
    "control",
    503,
    "Set CA_KEY to the key of the first certificate in CA_CERTIFICATE, or begin a new authority.",
    false,
  ),
  "authority.key-unreadable": http(
    "control",
    503,
    "No key in SECRETS_KEYS opens the certificate authority's: restore it, or begin a new one.",
    false,
  ),
  "relay.ticket-key-too-young": http(
    "client",
    409,
    "The relay's ticket key was changed moments ago, and tickets of the one before it are out.",
    true,
  ),
  "database.unavailable": http(
    "control",
    503,
    "The database cannot be reached. Try again shortly.",
  ),
  "service.not-ready": http(
    "control",
    503,
    "The control plane cannot do its work yet; the detail names what is missing. See its log.",
  ),
  "internal.error": http("internal", 500, "This is a bug. Report it with the request id."),

  // The client's side of a SPICE link.
  "link.magic-invalid": spice("client", "INVALID_MAGIC", "Connect with a SPICE client."),
  "link.version-mismatch": spice(
    "client",
    "VERSION_MISMATCH",
    "Use a client that speaks SPICE 2.2.",
  ),
  "link.malformed": spice(
    "client",
    "INVALID_DATA",
    "Use a client that follows the SPICE protocol.",
  ),
  "link.mechanism-unsupported": spice(
    "client",
    "PERMISSION_DENIED",
    "Use SPICE ticket authentication.",
  ),
  "link.channel-unknown": spice(
    "client",
    "CHANNEL_NOT_AVAILABLE",
    "Use a client that opens only channels that SPICE defines.",
  ),
  "link.deadline": spice("client", null, "The client took too long to link. Try again.", true),
  "link.needs-secured": spice("client", "NEED_SECURED", "Connect to the relay's TLS port."),
  "link.http-invalid": spice(
    "client",
    null,
    "Send an HTTP CONNECT for a console file's host, or a WebSocket upgrade with its token.",
  ),
  "link.origin-refused": spice(
    "client",
    null,
    "Open the web console from an origin that the relay is configured for.",
  ),
  "link.source-limited": spice(
    "client",
    null,
    "Too many connections or handshakes from one address: close some, then try again.",
    true,
  ),
  "link.closed": spice("client", null, "The client left before it was linked.", true),
  "tls.failed": spice(
    "client",
    null,
    "Connect with TLS 1.2 or newer, to the port that the console file names.",
  ),

  // Tickets, as the relay judges them.
  "ticket.malformed": spice("client", "PERMISSION_DENIED", NEW_TICKET),
  "ticket.foreign": spice("client", "PERMISSION_DENIED", NEW_TICKET),
  "ticket.forged": spice("client", "PERMISSION_DENIED", NEW_TICKET),
  "ticket.expired": spice("client", "PERMISSION_DENIED", NEW_TICKET),
  "ticket.used": spice("client", "PERMISSION_DENIED", NEW_TICKET),
  "ticket.unknown": spice("client", "PERMISSION_DENIED", NEW_TICKET),
  "ticket.no-session": spice(
    "client",
    "PERMISSION_DENIED",
    "Open the main channel first; other channels belong to its session.",
  ),
  "ticket.unverifiable": spice(
    "control",
    "ERROR",
    "The control plane could not be asked. Try again shortly.",
    true,
  ),
  "channel.not-permitted": spice(
    "client",
    "PERMISSION_DENIED",
    "The session's policy does not permit this channel.",
  ),
  "relay.full": spice(
    "internal",
    "ERROR",
    "The relay has no room for more channels. Try again shortly.",
    true,
  ),
  "relay.draining": spice(
    "internal",
    "ERROR",
    "The relay takes no new sessions before its maintenance. Ask for a new ticket.",
    true,
  ),
  "relay.worker-lost": spice(
    "internal",
    "ERROR",
    "A process of the relay ended. Open the console again.",
    true,
  ),
  "relay.stopping": spice(
    "internal",
    "ERROR",
    "The relay is stopping. Open the console again.",
    true,
  ),

  // The hypervisor's side.
  "server.unreachable": spice("backend", "ERROR", CHECK_SERVER, true),
  "server.deadline": spice("backend", "ERROR", CHECK_SERVER, true),
  "server.tls-failed": spice(
    "backend",
    "ERROR",
    "Check the certificate authority that the console's source names.",
  ),
  "server.subject-mismatch": spice(
    "backend",
    "ERROR",
    "The server's certificate has another subject than the console's hostSubject.",
  ),
  "server.needs-secured": spice(
    "backend",
    "ERROR",
    "The server wants TLS: give the console a tlsPort.",
  ),
  "server.ticket-refused": spice(
    "backend",
    "ERROR",
    "The hypervisor refused the password that is stored for this console: correct it.",
  ),
  "server.sasl-required": spice(
    "backend",
    "ERROR",
    "The hypervisor wants SASL, which is not supported: give it a SPICE password instead.",
  ),
  "server.link-refused": spice(
    "backend",
    "ERROR",
    "The server refused the channel; the detail has its error.",
  ),
  "server.proxy-refused": spice(
    "backend",
    "ERROR",
    "The console's HTTP proxy refused the connection; the detail has its answer.",
  ),
  "server.malformed": spice("backend", "ERROR", "The address does not answer as a SPICE server."),
  "server.capability-missing": spice(
    "backend",
    "VERSION_MISMATCH",
    "The SPICE server is too old for this client.",
  ),
  "target.unreadable": {
    fault: "control",
    retryable: false,
    httpStatus: 503,
    spiceError: "ERROR",
    hint: "The console's password could not be unsealed. Ask for a new ticket.",
  },

  // Messages of a linked channel.
  "message.type-unknown": spice(
    "client",
    null,
    "The peer sent a message that its channel does not have.",
  ),
  "message.size-unlawful": spice(
    "client",
    null,
    "The peer sent a message whose size is unlawful for its type.",
  ),
  "message.sub-list-unlawful": spice(
    "client",
    null,
    "The peer sent a list of sub-messages that is malformed or holds an unlawful one.",
  ),
  "channel.stalled": spice(
    "client",
    null,
    "One side took no bytes for ten minutes though some waited for it. Open the console again.",
    true,
  ),
  "message.rate-exceeded": spice(
    "client",
    null,
    "The peer sent more messages than any lawful use of its channel needs.",
  ),

  // Between control plane and relay.
  "control.offline": link("The relay has no link to the control plane. Try again shortly."),
  "control.rush": link("Too many relays connect at this moment. The relay tries again by itself."),
  "control.hub-silent": link("The relay's hub did not answer. Try again shortly."),
  "control.ack-timeout": link("The relay did not acknowledge in time. Try again shortly."),
  "control.queue-full": link("Too much is waiting for this relay. Try again shortly."),
  "control.malformed": spice(
    "control",
    null,
    "Relay and control plane disagree about the contract: compare their versions.",
  ),
  "control.silent": spice(
    "control",
    null,
    "Nothing was heard within the lease: check the network between relay and control plane.",
    true,
  ),
  "control.grant-invalid": spice(
    "control",
    null,
    "The grant's signature or content is invalid for this relay.",
  ),
  "control.keys-changed": link("The relay connects again at once, to learn its new keys."),
  "control.denied": spice(
    "control",
    null,
    "What the grant is for was ended, or its user, console or share denied, since it was made.",
  ),
  "control.replaced": spice(
    "control",
    null,
    "Another process uses this relay's identity: stop one of them.",
  ),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** The catalogue's row for a code. */
export function errorRow(code: ErrorCode): ErrorRow {
  return ERRORS[code];
}

/** A failure with its code; `detail` is for operators and holds no secret. */
export interface Failure {
  readonly code: ErrorCode;
  readonly detail: string;
}
