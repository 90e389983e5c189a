/** How long a ticket is good for. */

/** From the answer to the client's first link: enough to start a viewer by hand. */
export const TICKET_TTL_MS = 120_000;
