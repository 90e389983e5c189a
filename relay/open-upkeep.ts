/** Joins the upkeep of keys and certificates to a relay: its files, its link and its data plane. */
import type { Result } from "#shared/base/result.ts";
import { fail, ok } from "#shared/base/result.ts";
import type { RelayConfig } from "./config.ts";
import type { Identity } from "./control/identity-store.ts";
import { openKeyDisk } from "./control/key-files.ts";
import type { ControlLink } from "./control/link.ts";
import { readOwnCertificate } from "./control/own-certificate.ts";
import { Upkeep, type UpkeepOptions } from "./control/upkeep.ts";
import type { DataPlane } from "./data-plane.ts";

/** What comes to be after the upkeep, which needs it only then. */
export interface UpkeptParts {
  readonly plane: DataPlane | null;
  readonly link: ControlLink | null;
}

type Own = UpkeepOptions["own"];

/** The operator's certificate, when he names one; the failure is a sentence for him. */
export async function readOwn(config: RelayConfig): Promise<Result<Own, string>> {
  const files = config.ownCertificate;
  if (files === null) {
    return ok(null);
  }
  const shown = await readOwnCertificate(files);
  return shown.ok ? ok({ files, shown: shown.value }) : shown;
}

export function openUpkeep(
  of: Pick<UpkeepOptions, "identity" | "own" | "log" | "nowMs" | "randomBytes"> & {
    readonly identity: Identity;
    readonly config: RelayConfig;
    readonly parts: UpkeptParts;
  },
): Upkeep {
  const { config, parts } = of;
  return new Upkeep({
    ...of,
    keyLifeMs: config.rotateKeyDays === 0 ? null : config.rotateKeyDays * DAY_MS,
    disk: openKeyDisk(config.stateDir),
    ask: async (request) => (await parts.link?.request(request)) ?? fail(NOT_LINKED),
    isLinked: () => parts.link?.isLinked === true,
    show: (tls) => parts.plane?.replaceIdentity(tls),
    count: (what, outcome) => parts.plane?.metrics.upkeep.inc({ what, outcome }),
    chance: Math.random,
  });
}

const DAY_MS = 24 * 3_600_000;
const NOT_LINKED = { code: "control.offline", detail: "not linked" } as const;
