/**
 * The data plane's bounds and waits, with unit and reason; each is on by default. A deployment may
 * lower or raise some of them through its configuration; tests shorten the waits.
 */
import { LOOKUP_DEADLINE_MS, LOOKUPS_OPEN_MAX } from "#shared/control/limits.ts";

export interface DataPlaneLimits {
  /** TCP connections from clients at once, linked or not; a further one is closed unheard. */
  readonly connectionsMax: number;
  /** TCP connections from one source (an IPv4 address, an IPv6 /64) at once. */
  readonly connectionsPerSourceMax: number;
  /** Connections of one source at once whose link is not made yet. */
  readonly handshakesPerSourceMax: number;
  /** How long a worker process waits for the control process to judge a ticket. */
  readonly admissionDeadlineMs: number;
  /** How often a worker process says that it lives, and tells which channels something moved on. */
  readonly workerBeatIntervalMs: number;
  /** From a TCP connection to its finished TLS handshake. */
  readonly tlsHandshakeDeadlineMs: number;
  /** Each phase of the client's link: its link message, then its mechanism and ticket. */
  readonly clientPhaseDeadlineMs: number;
  /** Resolving, connecting to and securing the connection to the hypervisor. */
  readonly serverConnectDeadlineMs: number;
  /** Each half of the SPICE link with the hypervisor: link message to reply, ticket to result. */
  readonly serverLinkDeadlineMs: number;
  /** How long a refused client may take to fetch its refusal. */
  readonly refusalLingerMs: number;
  /** How long the rest of a channel may take to flow off after one side ended. */
  readonly endLingerMs: number;
  /** How long one side of a channel may take nothing although bytes wait for it. */
  readonly stallMsMax: number;
  /** Silence on a TCP connection before the kernel asks whether the peer lives. */
  readonly keepAliveIdleMs: number;
  /** Request line and headers of an HTTP CONNECT or a WebSocket upgrade, in bytes. */
  readonly httpHeadBytesMax: number;
  /** Headers of such a request that are looked at; further ones count as absent. */
  readonly httpHeadersMax: number;
  /** One message of a web console; it is held whole before it is passed on. */
  readonly webSocketMessageBytesMax: number;
  /** Between two WebSocket pings, whatever else flows. */
  readonly webSocketPingIntervalMs: number;
  /** RSA keys held ready. */
  readonly keyPoolSize: number;
  /** Handshakes that one RSA key serves. */
  readonly keyUsesMax: number;
  /** How long one RSA key serves. */
  readonly keyLifeMs: number;
  /** How long a handshake waits for a key before it is told that the relay is full. */
  readonly keyWaitMsMax: number;
  /** Handshakes that may wait for a key at once; further ones are told that the relay is full. */
  readonly keyWaitersMax: number;
  /** Unused grants held; the oldest is dropped, because it can be looked up again. */
  readonly grantsMax: number;
  /** Used tickets remembered; a further session is refused rather than one forgotten. */
  readonly usedTicketsMax: number;
  /** How long a used ticket is remembered beyond its expiry, against clocks set back. */
  readonly usedTicketMarginMs: number;
  /** Withdrawn sessions remembered; the oldest is forgotten. */
  readonly withdrawnMax: number;
  /** Denials remembered; the oldest is forgotten. */
  readonly denialsMax: number;
  /** Channels that the relay carries at once. */
  readonly channelsMax: number;
  /** Channels of one session: ten types, and room for several displays and USB ports. */
  readonly channelsPerSessionMax: number;
  /** How long a session's other channels may end by themselves after its main channel. */
  readonly mainGraceMs: number;
  /** Different tickets that may be looked up at once. */
  readonly lookupsOpenMax: number;
  /** A look-up that has not settled by then counts as unverifiable. */
  readonly lookupDeadlineMs: number;
  /** How often a minute a session's server is asked for clues that are no credentials. */
  readonly foreseenPerMinuteMax: number;
  /** Refused tickets a minute from one source that are answered at once. */
  readonly refusalsFreeMax: number;
  /** How long the first answer after those is withheld; each further one twice as long. */
  readonly refusalHoldFirstMs: number;
  readonly refusalHoldMsMax: number;
  /** Refused tickets a minute from all sources together; above them every refusal is withheld. */
  readonly refusalsTotalMax: number;
  /** Refused tickets a minute from one source that are told one by one, not in sums. */
  readonly refusalsToldMax: number;
  /** Refused channels a minute of one session, for one error, that are told one by one. */
  readonly channelRefusalsToldMax: number;
  /** Sessions and errors of which refused channels are counted at once. */
  readonly channelRefusalsKeptMax: number;
  /** Sources of refused tickets remembered; the one that was silent longest is forgotten. */
  readonly refusalSourcesMax: number;
}

export const DATA_PLANE_LIMITS: DataPlaneLimits = {
  // Channels that live, and a fifth more that are being linked.
  connectionsMax: 6_000,
  // An office of 200 people behind one address with ten channels each. A relay behind a load
  // balancer sees a single source: raise it there.
  connectionsPerSourceMax: 2_000,
  // Forty people of that office who click at the same moment.
  handshakesPerSourceMax: 400,
  // Longer than the look-up of a grant, whose own deadline answers first.
  admissionDeadlineMs: 15_000,
  // Missing ten of them ends the worker: no lawful work holds one up for ten seconds.
  workerBeatIntervalMs: 1_000,
  // A TLS handshake takes two or three round trips; ten seconds forgive any real link.
  tlsHandshakeDeadlineMs: 10_000,
  clientPhaseDeadlineMs: 10_000,
  // Three TCP SYN retransmissions (1 + 2 + 4 s) fit.
  serverConnectDeadlineMs: 10_000,
  serverLinkDeadlineMs: 10_000,
  refusalLingerMs: 1_000,
  endLingerMs: 2_000,
  // Longer than any network's outage that TCP survives; a viewer that was stopped that long is gone.
  stallMsMax: 10 * 60_000,
  // Below the 60 s at which common firewalls forget an idle connection.
  keepAliveIdleMs: 30_000,
  // A browser may send its cookies for the site, which are commonly bounded by 8 KiB.
  httpHeadBytesMax: 16 * 1024,
  // Browsers send about twenty, proxies add a few.
  httpHeadersMax: 100,
  // Web clients send a SPICE message or less at once; the longest are 64 KiB parts of files.
  webSocketMessageBytesMax: 256 * 1024,
  // Reverse proxies commonly drop a WebSocket on which nothing moved for 60 s.
  webSocketPingIntervalMs: 30_000,
  // A console opens about ten channels at once and a key takes 7 ms of CPU to make.
  keyPoolSize: 4,
  keyUsesMax: 64,
  keyLifeMs: 10 * 60_000,
  // Below a phase's deadline, so that the client still hears why.
  keyWaitMsMax: 5_000,
  keyWaitersMax: 256,
  grantsMax: 10_000,
  usedTicketsMax: 100_000,
  usedTicketMarginMs: 5 * 60_000,
  withdrawnMax: 10_000,
  // Ten times what a welcome can hold.
  denialsMax: 10_000,
  channelsMax: 5_000,
  channelsPerSessionMax: 64,
  mainGraceMs: 500,
  lookupsOpenMax: LOOKUPS_OPEN_MAX,
  // The port promises LOOKUP_DEADLINE_MS; the margin keeps its own answer first.
  lookupDeadlineMs: LOOKUP_DEADLINE_MS + 500,
  // Reopening a console of ten channels every few seconds stays below it. Each time costs the
  // hypervisor an RSA key, for which its guest waits some milliseconds.
  foreseenPerMinuteMax: 240,
  // A person who presents an old console file a few times notices nothing.
  refusalsFreeMax: 5,
  refusalHoldFirstMs: 1_000,
  refusalHoldMsMax: 10_000,
  // Ten a second: no honest crowd presents that many bad tickets.
  refusalsTotalMax: 600,
  refusalsToldMax: 5,
  // A viewer opens some ten channels, and is opened again now and then.
  channelRefusalsToldMax: 30,
  channelRefusalsKeptMax: 10_000,
  refusalSourcesMax: 4_096,
};

/** The defaults with some of them replaced. */
export function withLimits(overrides: Partial<DataPlaneLimits> = {}): DataPlaneLimits {
  return { ...DATA_PLANE_LIMITS, ...overrides };
}

/** The bounds for one source of connections; a fifth of them may still be shaking hands. */
export function limitsPerSource(
  connectionsMax: number,
): Pick<DataPlaneLimits, "connectionsPerSourceMax" | "handshakesPerSourceMax"> {
  return {
    connectionsPerSourceMax: connectionsMax,
    handshakesPerSourceMax: Math.ceil(connectionsMax / 5),
  };
}
