/** How the route tells the hub which relay it authenticated; nobody else reaches a hub. */
export const RELAY_ID_HEADER = "Kerbside-Relay-Id";
