/** The bounds and waits of the link between hub and relay; both ends hold to the same numbers. */

/** A message's text; a grant with a CA bundle is the largest honest one (about 100 KiB). */
export const CONTROL_MESSAGE_BYTES_MAX = 256 * 1024;

/** A relay says `ping` this often; the hub's runtime answers `pong` without waking the hub. */
export const HEARTBEAT_INTERVAL_MS = 3_000;

/** Silence after which either side gives the link up: three heartbeats and a margin. */
export const LEASE_MS = 10_000;

/** From the socket's opening to the relay's `hello`, or to the hub's `welcome`. */
export const HELLO_DEADLINE_MS = 5_000;

/** A relay tries again at least this often, so that none stays away once the control plane is back. */
export const RELINK_MS_MAX = 15_000;

/** How long a service waits for a relay to acknowledge a push before it tries the next relay. */
export const PUSH_ACK_DEADLINE_MS = 2_000;

/** How long a relay waits for the answer to a look-up while a client waits for its link. */
export const LOOKUP_DEADLINE_MS = 3_000;

/** Pushes that may wait for one relay; a further one is refused with `control.queue-full`. */
export const OUTBOX_ROWS_MAX = 1_000;

/** Look-ups that one relay may have open at once; more are answered as unverifiable. */
export const LOOKUPS_OPEN_MAX = 64;

/** How long a relay waits for the answer to a request: a signature and two transactions. */
export const REQUEST_DEADLINE_MS = 15_000;

/** Requests that one relay may have open at once; an honest one has two kinds of them. */
export const REQUESTS_OPEN_MAX = 4;

/** Events in one message, and messages of events that may be unacknowledged at once. */
export const EVENTS_PER_MESSAGE_MAX = 64;
export const EVENT_MESSAGES_OPEN_MAX = 1;

/**
 * Events that a relay keeps while the control plane is away. When there are more, the oldest of
 * channels and of refused tickets go first: they say least, and strangers can cause the latter.
 */
export const SPOOL_EVENTS_MAX = 100_000;

/** Living sessions that a relay may name in one snapshot. */
export const SNAPSHOT_SESSIONS_MAX = 5_000;

/** The socket's credential: a JWT signed by the relay's key lives this long, in seconds. */
export const RELAY_TOKEN_SECONDS = 60;
export const RELAY_CLOCK_SKEW_SECONDS = 30;
