/** Changes and their audit events are stored together: without any one of the events nothing is. */
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { auditEventSchema, type AuditEventType } from "#shared/audit/events.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { setScene } from "./audit-scene.ts";
import type { Change, Changes } from "./audited-changes/change.ts";
import { CONSOLES_CHANGES } from "./audited-changes/consoles.ts";
import { KEYS_CHANGES } from "./audited-changes/keys.ts";
import { PEOPLE_CHANGES } from "./audited-changes/people.ts";
import { RELAYS_CHANGES } from "./audited-changes/relays.ts";
import { SESSIONS_CHANGES } from "./audited-changes/sessions.ts";
import { WEBHOOKS_CHANGES } from "./audited-changes/webhooks.ts";

const CHANGES: Changes = {
  ...PEOPLE_CHANGES,
  ...CONSOLES_CHANGES,
  ...SESSIONS_CHANGES,
  ...RELAYS_CHANGES,
  ...KEYS_CHANGES,
  ...WEBHOOKS_CHANGES,
};

/** Events that tell of no change: nothing is stored but they themselves. */
const NO_CHANGE: Partial<Record<AuditEventType, string>> = {
  "user.password-refused": "a refusal",
  "user.login-refused": "a refusal",
  "auth.rate-limited": "a refusal",
  "share.refused": "a refusal",
  "audit.exported": "somebody reads the trail",
  "audit.broken": "a finding about the trail",
  "job.run-requested": "a wish, which the clock's own object carries out",
};

describe("a change that cannot be audited", () => {
  const cases = Object.entries(CHANGES).flatMap(([name, change]) =>
    change.tells.map((type) => ({ name, type, change })),
  );

  it.each(cases)("does not happen: $name, without $type", async ({ type, change }) => {
    await using services = await startControlServices();
    const scene = await setScene(services);
    await change.before?.(scene);
    await scene.context.database.run(refusing(type));
    const [before, known] = [await look(services, change), await countEvents(services)];
    // A job's failure is its log's.
    await change.make(scene).catch(() => undefined);
    expect(await look(services, change)).toBe(before);
    // The trail alone stood in its way.
    await scene.context.database.run(sql`DROP TRIGGER refuse_audit`);
    await change.make(scene);
    expect(await look(services, change)).not.toBe(before);
    const told = await services.query(
      `SELECT DISTINCT type FROM audit_events WHERE rowid > ${known} ORDER BY type`,
    );
    const expected = [...change.tells, ...(change.also ?? [])].sort();
    expect(told.map((row) => row["type"])).toEqual(expected);
  });

  it("is each that an event tells of", () => {
    const told = Object.values(CHANGES).flatMap(({ tells }) => tells);
    const types = auditEventSchema.options.map(({ shape }) => shape.type.value);
    expect([...new Set(told), ...Object.keys(NO_CHANGE)].sort()).toEqual(types.sort());
  });
});

/** What the change is to leave alone. */
async function look(services: ControlServices, { looksAt }: Change): Promise<string> {
  return looksAt === undefined
    ? await services.dumpDatabase()
    : JSON.stringify(await services.query(looksAt));
}

async function countEvents(services: ControlServices): Promise<number> {
  const [row] = await services.query("SELECT coalesce(max(rowid), 0) AS last FROM audit_events");
  return Number(row?.["last"]);
}

const refusing = (type: AuditEventType) =>
  sql.raw(`CREATE TRIGGER refuse_audit BEFORE INSERT ON audit_events WHEN NEW.type = '${type}'
    BEGIN SELECT RAISE(ABORT, 'the trail is full'); END`);
