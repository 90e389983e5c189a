/** `kerbside keys …` and `kerbside relays keys`: which keys there are, and changing them. */
import { z } from "zod";
import { ok } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import { relayKeysSchema, signingKeysSchema } from "../api-schemas.ts";
import { type Command, givenText } from "../command.ts";
import { findRelayId } from "../find-by-name.ts";
import { formatTable, printable } from "../printable.ts";

const list: Command = {
  ...actCommand({
    name: "keys",
    summary: "list the keys that sign grants, newest first",
    about: "A key is next, then active, then retired; the clock changes them every 30 days.",
    operation: "GET /api/v1/signing-keys",
    schema: signingKeysSchema,
    given: () => ok([]),
    tell: ({ items }) => ({
      print: formatTable(KEY_HEAD, items.map(rowOf)).trimEnd(),
      json: items,
    }),
  }),
  isList: true,
};

const rotate = actCommand({
  name: "keys rotate",
  summary: "let the next key sign grants",
  about: `Prints the key that signs from now on. What the one before has signed is accepted until it
expires, so no ticket fails.`,
  options: { "if-active": { type: "string" }, emergency: { type: "boolean" } },
  help: `  --if-active KEY      only while this key signs: harmless when it is repeated
  --emergency          somebody may have read a private key: the active and the next key
                       go at once, and tickets that nobody has used are void
`,
  operation: "POST /api/v1/signing-keys/rotate",
  fieldNames: { activeKid: "--if-active" },
  schema: signingKeysSchema,
  given: ({ options }) => {
    const activeKid = givenText(options, "if-active");
    return ok([{ body: { activeKid, emergency: options["emergency"] === true } }]);
  },
  tell: ({ items }, { options }) => {
    const active = items.find(({ state }) => state === "active");
    const isEmergency = options["emergency"] === true;
    return {
      json: items,
      ...(active === undefined ? {} : { print: printable(active.kid) }),
      note: isEmergency
        ? "It signs now. Tickets that nobody has used are void."
        : "It signs now. Tickets that are out stay good.",
    };
  },
});

const relayKeys = actCommand({
  name: "relays keys",
  summary: "show a relay's keys and certificate",
  positionals: ["RELAY"],
  operation: "GET /api/v1/relays/{id}/keys",
  schema: relayKeysSchema,
  given: async ({ positionals: [wanted = ""] }, client) => {
    const id = await findRelayId(client, wanted);
    return id.ok ? ok([{ params: { id: id.value } }]) : id;
  },
  tell: ({ fingerprint, nextFingerprint, ticketEpoch, certificate }) => {
    const { kind, endsAt } = certificate;
    const row = [String(ticketEpoch), kind, endsAt ?? "-", fingerprint, nextFingerprint ?? "-"];
    return { print: formatTable(RELAY_HEAD, [row]).trimEnd() };
  },
});

const rotateTicketKey = actCommand({
  name: "relays rotate-ticket-key",
  summary: "give a relay another key for its tickets",
  about: "When its machine may have been read. Tickets that are out stay good, and so do sessions.",
  positionals: ["RELAY"],
  operation: "POST /api/v1/relays/{id}/rotate-ticket-key",
  schema: z.looseObject({ ticketEpoch: z.number() }),
  given: async ({ positionals: [wanted = ""] }, client) => {
    const id = await findRelayId(client, wanted);
    return id.ok ? ok([{ params: { id: id.value } }]) : id;
  },
  tell: ({ ticketEpoch }) => ({ note: `Its tickets are of epoch ${ticketEpoch} from now on.` }),
});

export const KEY_COMMANDS: readonly Command[] = [relayKeys, rotateTicketKey, list, rotate];

type SigningKey = z.infer<typeof signingKeysSchema>["items"][number];

function rowOf(key: SigningKey): string[] {
  const { kid, state, createdAt, activatedAt, retiredAt, verifiesUntil } = key;
  return [kid, state, createdAt, activatedAt ?? "-", retiredAt ?? "-", verifiesUntil ?? "-"];
}

const KEY_HEAD = ["KEY", "STATE", "CREATED", "ACTIVE FROM", "RETIRED", "ACCEPTED UNTIL"];
const RELAY_HEAD = ["TICKET EPOCH", "CERTIFICATE", "ENDS", "KEY", "NEXT KEY"];
