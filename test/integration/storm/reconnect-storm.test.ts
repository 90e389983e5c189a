/**
 * Fifty relays whose links are all cut at once, because workerd is killed: they come back by their
 * own back-off, and no order, ticket or session is lost on the way.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiPool } from "../../harness/api-pool.ts";
import { writeMigratedDatabase } from "../../harness/database-template.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { makeLogins, PREPARED_ADMIN_ID, prepareState } from "../../harness/prepared-state.ts";
import { HostPlace, SELFHOST, SELFHOST_PARTS } from "../../harness/running-host.ts";
import { writeDoubles } from "../../harness/storm/double-rows.ts";
import { runStorm } from "../../harness/storm/reconnect-storm.ts";
import { RelayDouble } from "../../harness/storm/relay-double.ts";

let place: HostPlace;
let doubles: RelayDouble[] = [];
let token: string;

beforeAll(async () => {
  place = await HostPlace.make(SELFHOST);
  const state = await prepareState(place.stateDir, writeMigratedDatabase);
  const identities = await writeDoubles(state, RELAYS);
  [token = ""] = await makeLogins(state.databaseFile, [PREPARED_ADMIN_ID]);
  const { client } = await place.start({ env: { KERBSIDE_JOBS: "off" } });
  doubles = identities.map((identity) => new RelayDouble(identity, client.url));
  doubles.forEach((double) => double.start());
  const linked = Promise.all(doubles.map(async (double) => await double.whenLinked()));
  await withDeadline(linked, 60_000, "all relays are linked");
}, 120_000);

afterAll(async () => {
  for (const double of doubles) {
    await double[Symbol.asyncDispose]();
  }
  await place[Symbol.asyncDispose]();
}, 60_000);

describe("a reconnect storm", () => {
  it("loses no order, no ticket and no session", { timeout: 300_000 }, async () => {
    await using api = new ApiPool(`http://127.0.0.1:${place.port}`, 16);
    const outcome = await runStorm({
      ...{ doubles, api, token },
      cut: () => process.kill(place.processRunning(SELFHOST_PARTS.workerd), "SIGKILL"),
      awayMs: 5_000,
    });
    expect(outcome.findings).toEqual([]);
    // Else nothing was tried.
    expect(outcome.orders).toBe(RELAYS * 2 + RELAYS / 5);
    expect(outcome.keptOrders).toBeGreaterThan(0);
    expect(outcome.tickets.good).toBeGreaterThan(0);
  });
});

const RELAYS = 50;
