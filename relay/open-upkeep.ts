/** Joins the upkeep of keys and certificates to a relay: its files, its link and its data plane. */
import type { Result } from "#shared/base/result.ts";
import { ok } from "#shared/base/result.ts";
import type { RelayConfig } from "./config.ts";
import type { Identity } from "./control/identity-store.ts";
import { openKeyDisk } from "./control/key-files.ts";
import type { ControlLink } from "./control/link.ts";
import { readOwnCertificate } from "./control/own-certificate.ts";
import { Upkeep, type UpkeepOptions } from "./control/upkeep.ts";
import type { DataPlane } from "./data-plane.ts";

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
    /** Made after the upkeep, which needs it once it is started. */
    readonly link: () => ControlLink;
    /** Null until it serves. */
    readonly plane: () => DataPlane | null;
  },
): Upkeep {
  const { config, link, plane } = of;
  return new Upkeep({
    ...of,
    keyLifeMs: config.rotateKeyDays === 0 ? null : config.rotateKeyDays * DAY_MS,
    disk: openKeyDisk(config.stateDir),
    ask: (request) => link().request(request),
    isLinked: () => link().isLinked,
    show: (tls) => plane()?.replaceIdentity(tls),
    count: (what, outcome) => plane()?.metrics.upkeep.inc({ what, outcome }),
    chance: Math.random,
  });
}

const DAY_MS = 24 * 3_600_000;
