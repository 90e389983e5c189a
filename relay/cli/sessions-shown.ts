/** Which sessions a command shows, and how: for `kerbside sessions` and `kerbside sessions watch`. */
import { ok, type Result } from "#shared/base/result.ts";
import type { ApiClient } from "./api-client.ts";
import type { SessionItem } from "./api-schemas.ts";
import { type CliFailure, type OptionValues, textOption } from "./command.ts";
import { findConsole, findRelayId, findUserId } from "./find-by-name.ts";

export const ABOUT_OPTIONS = {
  console: { type: "string" },
  user: { type: "string" },
  relay: { type: "string" },
} as const;

export const ABOUT_OPTIONS_HELP = `  --console NAME|ID    of this console
  --user NAME|ID       of this user
  --relay NAME|ID      through this relay
`;

/** What sessions have to be about; absent: anything. */
export interface SessionsAbout {
  readonly consoleId?: string;
  readonly userId?: string;
  readonly relayId?: string;
}

/** Reads the options; names are looked for. */
export async function readAbout(
  options: OptionValues,
  client: ApiClient,
): Promise<Result<SessionsAbout, CliFailure>> {
  const named = { console: findConsoleId, user: findUserId, relay: findRelayId } as const;
  const ids: Record<string, string> = {};
  for (const [option, find] of Object.entries(named)) {
    const wanted = textOption(options, option);
    const found = wanted === null ? null : await find(client, wanted);
    if (found !== null && !found.ok) {
      return found;
    }
    if (found !== null) {
      ids[`${option}Id`] = found.value;
    }
  }
  return ok(ids);
}

/** Whether the session is about all of that, as the control plane judges it for a list. */
export function isAbout(session: SessionItem, about: SessionsAbout): boolean {
  const { consoleId, userId, relayId } = about;
  return (
    (consoleId === undefined || session.console.id === consoleId) &&
    (userId === undefined || session.user?.id === userId) &&
    (relayId === undefined || session.relay?.id === relayId)
  );
}

/** Heads, and how a cell is written. */
export const SESSION_COLUMNS = {
  ID: (session: SessionItem) => session.id,
  CONSOLE: (session: SessionItem) => session.console.name,
  USER: nameUser,
  STATE: ({ state, endReason }: SessionItem) =>
    endReason === null ? state : `${state}: ${endReason}`,
  RELAY: (session: SessionItem) => session.relay?.name ?? "-",
} as const;

/** A guest's session is the one of whoever issued the link. */
function nameUser({ user, share }: SessionItem): string {
  const name = user?.username ?? "-";
  if (share === null || share === undefined) {
    return name;
  }
  return share.label === null ? `${name} (guest)` : `${name} (guest: ${share.label})`;
}

async function findConsoleId(
  client: ApiClient,
  wanted: string,
): Promise<Result<string, CliFailure>> {
  const found = await findConsole(client, wanted);
  return found.ok ? ok(found.value.id) : found;
}
