/** What the hub's tests need: hubs by relay, sessions in the database, and a clock to move. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { eq } from "drizzle-orm";
import { vi } from "vitest";
import type { Result } from "#shared/base/result.ts";
import type { Command } from "#shared/control/contract.ts";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { consoles, sources } from "../../../worker/repositories/schema/consoles.ts";
import { users } from "../../../worker/repositories/schema/people.ts";
import { relays } from "../../../worker/repositories/schema/relays.ts";
import { sessions, tickets } from "../../../worker/repositories/schema/sessions.ts";
import type { PushFailure } from "../../../worker/services/context.ts";
import { env, services, uniqueName } from "../api/api-client.ts";

export function hubOf(relayId: string) {
  return env.HUB.get(env.HUB.idFromName(relayId));
}

export async function push(relayId: string, command: Command): Promise<Result<null, PushFailure>> {
  return await services().hubs.push(relayId, command);
}

/** The test's clock and the hub's: the Worker under test runs in the same isolate. */
export function passTime(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

/** Lets the hub's alarm come due after some time has passed. */
export async function ringAfter(relayId: string, ms: number): Promise<void> {
  passTime(ms);
  await runDurableObjectAlarm(hubOf(relayId));
}

export async function relayState(relayId: string): Promise<string | undefined> {
  const [row] = await services().database.select().from(relays).where(eq(relays.id, relayId));
  return row?.state;
}

export async function sessionRow(id: string) {
  const [row] = await services().database.select().from(sessions).where(eq(sessions.id, id));
  return row;
}

export async function ticketRow(sessionId: string) {
  const database = services().database;
  const [row] = await database.select().from(tickets).where(eq(tickets.sessionId, sessionId));
  return row;
}

/** The types of what was recorded about the relay, oldest first. */
export async function auditTypes(relayId: string): Promise<string[]> {
  const rows = await services()
    .database.select({ type: auditEvents.type })
    .from(auditEvents)
    .where(eq(auditEvents.relayId, relayId))
    .orderBy(auditEvents.atMs);
  return rows.map(({ type }) => type);
}

/** A session on that relay, with its ticket; pending unless told otherwise. */
export async function seedSession(
  relayId: string,
  facts: Partial<typeof sessions.$inferInsert> = {},
  ticket: Partial<typeof tickets.$inferInsert> = {},
): Promise<{ sessionId: string; ticketHash: string }> {
  const { database } = services();
  const unique = uniqueName("seed");
  const sessionId = `ses_${unique}`;
  const ticketHash = unique.padEnd(43, "h");
  const createdAtMs = Date.now();
  await database.batch([
    database.insert(users).values({
      id: `usr_${unique}`,
      username: unique,
      passwordHash: "none",
      role: "user",
      createdAtMs,
    }),
    database
      .insert(sources)
      .values({ id: `src_${unique}`, name: unique, kind: "static", createdAtMs }),
    database.insert(consoles).values({
      id: `con_${unique}`,
      sourceId: `src_${unique}`,
      uuid: unique,
      name: unique,
      host: "192.0.2.1",
      port: 5900,
      createdAtMs,
    }),
    database.insert(sessions).values({
      id: sessionId,
      consoleId: `con_${unique}`,
      userId: `usr_${unique}`,
      relayId,
      state: "pending",
      createdAtMs,
      ...facts,
    }),
    database.insert(tickets).values({
      sessionId,
      relayId,
      ticketId: "t",
      ticketEpoch: 1,
      ticketHash,
      expiresAtMs: createdAtMs + 120_000,
      vvTokenHash: unique,
      grantId: `grt_${unique}`,
      grantJws: `jws-${unique}`,
      ...ticket,
    }),
  ]);
  return { sessionId, ticketHash };
}
