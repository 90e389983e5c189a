/** List calls, as people with different rights make them, and logins, which are slow on purpose. */
import { z } from "zod";
import { type ControlScene, LOGIN_USERS, PASSWORD } from "./control-scene.ts";
import { measureCalls } from "./measure.ts";
import type { CallFigure } from "./summary.ts";

export async function measureLists(
  scene: ControlScene,
  rounds: number,
): Promise<Record<string, CallFigure>> {
  const figures: Record<string, CallFigure> = {};
  for (const [what, { path, as }] of Object.entries(LISTS)) {
    const call = async (): Promise<void> => await list(scene, path, as);
    figures[what] = await measureCalls({ callers: 1, calls: LIST_CALLS, rounds, call });
  }
  const { path, as } = LISTS["consoles, with 50 rules"];
  const call = async (): Promise<void> => await list(scene, path, as);
  const many = { callers: 8, calls: 4 * LIST_CALLS, rounds, call };
  figures["consoles, with 50 rules, 8 at once"] = await measureCalls(many);
  return figures;
}

export async function measureLogins(
  scene: ControlScene,
  rounds: number,
): Promise<Record<string, CallFigure>> {
  const figures: Record<string, CallFigure> = {};
  for (const callers of [1, 4, 32]) {
    const call = async (index: number): Promise<void> => await logIn(scene, index);
    const calls = Math.max(LOGIN_CALLS, callers);
    figures[`login, ${callers} at once`] = await measureCalls({ callers, calls, rounds, call });
  }
  figures["list of consoles while 4 log in"] = await measureBesideLogins(scene, rounds);
  return figures;
}

/** What everybody else notices while people log in. */
async function measureBesideLogins(scene: ControlScene, rounds: number): Promise<CallFigure> {
  const over = new AbortController();
  const { path, as } = LISTS["consoles, with 50 rules"];
  const loggingIn = Array.from({ length: 4 }, async (_, caller) => {
    for (let index = caller; !over.signal.aborted; index += 4) {
      await logIn(scene, index);
    }
  });
  const call = async (): Promise<void> => await list(scene, path, as);
  const figure = await measureCalls({ callers: 1, calls: LIST_CALLS / 2, rounds, call });
  over.abort();
  await Promise.all(loggingIn);
  return figure;
}

async function list(
  { api, tokens }: ControlScene,
  path: string,
  as: keyof ControlScene["tokens"],
): Promise<void> {
  const { status, json, code } = await api.call({ method: "GET", path, token: tokens[as] });
  const page = pageSchema.safeParse(json);
  if (status !== 200 || page.data?.items.length !== PAGE_ROWS) {
    throw new Error(`GET ${path} answered ${status} ${code}, ${page.data?.items.length} items`);
  }
}

/** Each from an address of its own, as people's are: an address may guess twenty times at once. */
async function logIn({ api }: ControlScene, index: number): Promise<void> {
  const username = LOGIN_USERS[index % LOGIN_USERS.length];
  const address = `198.51.${Math.floor(index / 250) % 250}.${index % 250}`;
  const { status, code } = await api.call({
    method: "POST",
    path: "/auth/login",
    body: { username, password: PASSWORD },
    headers: { "x-forwarded-for": address },
  });
  if (status !== 200) {
    throw new Error(`POST /auth/login answered ${status} ${code}`);
  }
}

const PAGE_ROWS = 50;
const LIST_CALLS = 100;
const LOGIN_CALLS = 24;
const LISTS = {
  "consoles, an admin's": { path: "/consoles?limit=50", as: "admin" },
  "consoles, all by one rule": { path: "/consoles?limit=50", as: "seesAll" },
  "consoles, with 50 rules": { path: "/consoles?limit=50", as: "manyRules" },
  "consoles, with few rules": { path: "/consoles?limit=50", as: "nobody" },
  "consoles by a rare tag": { path: "/consoles?limit=50&tag=tag3", as: "admin" },
  "consoles by a prefix of names": { path: "/consoles?limit=50&namePrefix=vm77-", as: "seesAll" },
  "sessions that live": { path: "/sessions?limit=50&state=live", as: "admin" },
  relays: { path: "/relays?limit=50", as: "admin" },
  "audit events of one type": { path: "/audit?limit=50&type=channel.opened", as: "admin" },
} as const;
const pageSchema = z.object({ items: z.array(z.unknown()) });
