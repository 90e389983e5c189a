/** `kerbside relays`: the relays as the control plane knows them. */
import { ok } from "#shared/base/result.ts";
import { relaySchema } from "../api-schemas.ts";
import { listCommand } from "../list-command.ts";

export const relaysCommand = listCommand({
  name: "relays",
  summary: "list the relays",
  operation: "GET /api/v1/relays",
  item: relaySchema,
  given: () => ok([]),
  columns: {
    ID: (relay) => relay.id,
    NAME: (relay) => relay.name,
    STATE: ({ state, draining }) => (draining ? `${state}, draining` : state),
    HOST: ({ host, tlsPort }) => `${host}:${tlsPort}`,
    BUILD: (relay) => relay.build ?? "-",
    SEEN: (relay) => relay.lastSeenAt ?? "-",
  },
});
