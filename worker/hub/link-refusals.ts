/** Why a relay that proved its identity is not linked, as the hub tells it. */
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { errorRow } from "#shared/errors/catalogue.ts";
import type { RelayBar } from "../services/context.ts";
import type { LinkRefusal } from "./hub-state.ts";

export function linkRefusal(bar: RelayBar): LinkRefusal {
  const close = bar === "relay.disabled" ? CONTROL_CLOSE.disabled : CONTROL_CLOSE.deleted;
  return { close, detail: errorRow(bar).hint };
}
