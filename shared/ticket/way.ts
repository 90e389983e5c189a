/** How a client reaches its relay: directly by TLS, or through the relay's HTTP CONNECT port. */

export const WAYS = ["tls", "connect"] as const;

export type Way = (typeof WAYS)[number];
