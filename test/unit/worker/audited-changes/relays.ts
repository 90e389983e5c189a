/** Changes of relays, their sites and their join tokens, and what the audit trail tells of them. */
import { randomBytes } from "node:crypto";
import { keepAuthorityKey } from "../../../../worker/services/authority-key.ts";
import {
  issueJoinToken,
  pageJoinTokens,
  revokeJoinToken,
} from "../../../../worker/services/join-tokens.ts";
import {
  deleteRelay,
  disableRelay,
  drainRelay,
  enableRelay,
  patchRelay,
  resumeRelay,
} from "../../../../worker/services/relay-lifecycle.ts";
import {
  auditRelayRefusal,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../../worker/services/relay-presence.ts";
import { enrolRelay } from "../../../../worker/services/relays.ts";
import { createSite, deleteSite, pageSites, patchSite } from "../../../../worker/services/sites.ts";
import { makeCsr } from "../relay-keys-fixture.ts";
import { type Changes, setState } from "./change.ts";

export const RELAYS_CHANGES: Changes = {
  "a join token": {
    tells: ["join-token.created"],
    make: ({ context, admin }) => issueJoinToken(context, admin),
  },
  "a revoked join token": {
    tells: ["join-token.revoked"],
    make: async ({ context, admin }) => {
      const { items } = await pageJoinTokens(context, { after: null, limit: 1 });
      return await revokeJoinToken(context, admin, items[0]?.id ?? "");
    },
  },
  "an enrolled relay": {
    tells: ["relay.enrolled"],
    before: ({ context }) => keepAuthorityKey(context),
    make: async ({ context, admin, joinToken }) =>
      await enrolRelay(context, admin, {
        joinToken,
        name: "second",
        host: "second.example",
        tlsPort: 5900,
        publicKey: randomBytes(32).toString("base64url"),
        csr: await makeCsr(),
      }),
  },
  "a relay that comes": {
    tells: ["relay.online"],
    make: ({ context, relayId }) =>
      welcomeRelay(context, relayId, {
        build: "test",
        channelsMax: 1,
        draining: false,
        enforces: [],
      }),
  },
  "a relay that drains": {
    tells: ["relay.draining"],
    make: ({ context, relayId }) => markRelayServing(context, relayId, true),
  },
  "a relay that goes": {
    tells: ["relay.offline"],
    make: ({ context, relayId }) => markRelayOffline(context, relayId, "lost"),
  },
  "a relay that is refused": {
    tells: ["relay.refused"],
    make: ({ context, relayId }) =>
      auditRelayRefusal(context, relayId, { code: "control.malformed", detail: "" }),
  },
  "a changed relay": {
    tells: ["relay.changed"],
    make: ({ context, admin, relayId: id }) =>
      patchRelay(context, admin, { id, patch: { name: "other" } }),
  },
  "an ordered drain": {
    tells: ["relay.drain-ordered"],
    make: ({ context, admin, relayId: id }) => drainRelay(context, admin, { id, deadlineS: null }),
  },
  "a lifted drain": {
    tells: ["relay.drain-lifted"],
    before: async ({ context, admin, relayId: id }) => {
      await drainRelay(context, admin, { id, deadlineS: null });
    },
    make: ({ context, admin, relayId }) => resumeRelay(context, admin, relayId),
  },
  "a disabled relay": {
    tells: ["relay.disabled"],
    make: ({ context, admin, relayId: id }) =>
      disableRelay(context, admin, { id, endsSessions: false }),
  },
  "an enabled relay": {
    tells: ["relay.enabled"],
    before: async ({ context, admin, relayId: id }) => {
      await disableRelay(context, admin, { id, endsSessions: false });
    },
    make: ({ context, admin, relayId }) => enableRelay(context, admin, relayId),
  },
  "a deleted relay": {
    tells: ["relay.deleted"],
    before: async (scene) => await setState(scene, "offline", "ended"),
    make: ({ context, admin, relayId }) => deleteRelay(context, admin, relayId),
  },
  "a new site": {
    tells: ["site.created"],
    make: ({ context, admin }) =>
      createSite(context, admin, { name: "syd", description: "", fallbackIds: ["sit_default"] }),
  },
  "a changed site": {
    tells: ["site.changed"],
    make: ({ context, admin }) =>
      patchSite(context, admin, { id: "sit_default", patch: { name: "home" } }),
  },
  "a deleted site": {
    tells: ["site.deleted"],
    before: async ({ context, admin }) => {
      const site = { name: "syd", description: "", fallbackIds: ["sit_default"] };
      await createSite(context, admin, site);
    },
    make: async ({ context, admin }) => {
      const { items } = await pageSites(context, { afterName: null, limit: 10 });
      const made = items.find(({ name }) => name === "syd");
      return await deleteSite(context, admin, made?.id ?? "");
    },
  },
  "a relay that serves again": {
    tells: ["relay.serving"],
    before: async ({ context, relayId }) => await markRelayServing(context, relayId, true),
    make: ({ context, relayId }) => markRelayServing(context, relayId, false),
  },
};
