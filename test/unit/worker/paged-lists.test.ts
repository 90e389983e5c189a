import { describe, expect, it } from "vitest";
import { createConsole, pageConsoles } from "../../../worker/services/consoles.ts";
import { pageAuditTrail } from "../../../worker/services/audit-trail.ts";
import { pageSessions } from "../../../worker/services/sessions.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { startControlServices } from "../../harness/control-services.ts";
import { valueOf } from "../../harness/value-of.ts";

interface Page<Item, Cursor> {
  readonly items: readonly Item[];
  readonly next: Cursor | null;
}

/** All pages one after the other, with as many rows each as the limit says. */
async function readAll<Item, Cursor>(
  readPage: (after: Cursor | null) => Promise<Page<Item, Cursor>>,
): Promise<Item[][]> {
  const pages: Item[][] = [];
  let after: Cursor | null = null;
  do {
    const page: Page<Item, Cursor> = await readPage(after);
    pages.push([...page.items]);
    after = page.next;
  } while (after !== null);
  return pages;
}

async function startWithConsoles(names: readonly string[]) {
  const services = await startControlServices();
  const admin = await services.makeCaller("admin", "admin");
  const ids: string[] = [];
  for (const name of names) {
    const input = { name, host: "10.0.0.5", port: 5900, source: "static" };
    const created = await createConsole(services.context, admin, input);
    ids.push(created.ok ? created.value.id : "");
  }
  const end = () => services[Symbol.asyncDispose]();
  return { services, admin, ids, [Symbol.asyncDispose]: end };
}

describe("a list, page after page", () => {
  it("has consoles by name, equal names included, each once", async () => {
    await using held = await startWithConsoles(["c", "a", "b", "b", "b"]);
    const { services, admin } = held;
    const pages = await readAll(async (after: { name: string; id: string } | null) =>
      valueOf(await pageConsoles(services.context, admin, { filter: {}, after, limit: 2 })),
    );
    expect(pages.map((page) => page.map(({ name }) => name))).toEqual([
      ["a", "b"],
      ["b", "b"],
      ["c"],
    ]);
    expect(new Set(pages.flat().map(({ id }) => id)).size).toBe(5);
  });

  it("ends without an empty page", async () => {
    await using held = await startWithConsoles(["a", "b"]);
    const { services, admin } = held;
    const page = { filter: {}, after: null, limit: 2 };
    expect(valueOf(await pageConsoles(services.context, admin, page)).next).toBeNull();
  });

  it("has sessions and audit events of one instant each once, newest first", async () => {
    await using held = await startWithConsoles(["a"]);
    const { services, admin, ids } = held;
    const { context } = services;
    for (let count = 0; count < 3; count += 1) {
      await issueTicket(context, admin, ids[0] ?? "");
    }
    services.moveClock(5);
    await issueTicket(context, admin, ids[0] ?? "");
    const sessions = await readAll((after: { createdAtMs: number; id: string } | null) =>
      pageSessions(context, admin, { after, limit: 1 }),
    );
    expect(sessions.map((page) => page.length)).toEqual([1, 1, 1, 1]);
    const times = sessions.flat().map(({ createdAtMs }) => createdAtMs);
    expect(times).toEqual([...times].sort((left, right) => right - left));
    expect(times[0]).toBe(context.nowMs());
    expect(new Set(sessions.flat().map(({ id }) => id)).size).toBe(4);

    const filter = { types: ["session.failed"] };
    const events = await readAll((after: { atMs: number; id: string } | null) =>
      pageAuditTrail(context, { filter, after, limit: 1 }),
    );
    expect(new Set(events.flat().map(({ sessionId }) => sessionId)).size).toBe(4);
    expect(events[0]?.[0]?.atMs).toBe(context.nowMs());
  });
});
