/** Does the work, and expects the database to answer each statement of it through indexes. */
import { expect } from "vitest";
import { createConsole } from "../../../../worker/services/consoles.ts";
import type { ActingUser } from "../../../../worker/services/context.ts";
import { type ControlServices, startControlServices } from "../../../harness/control-services.ts";
import { listenToDatabase } from "../../../harness/heard-statements.ts";
import { findExpensiveSteps, isJudged } from "../../../harness/query-plans.ts";

/**
 * @param statementsMin how many different ones the work sends at least: work that fails early would
 * otherwise be found to be cheap.
 */
export async function expectIndexed(
  statementsMin: number,
  work: (services: ControlServices, admin: ActingUser) => Promise<void>,
): Promise<void> {
  await using services = await startControlServices();
  const admin = await services.makeCaller("admin", "admin");
  using heard = listenToDatabase();
  await work(services, admin);
  const statements = new Map([...heard.statements].filter(([sql]) => isJudged(sql)));
  expect(statements.size).toBeGreaterThanOrEqual(statementsMin);
  const expensive = await findExpensiveSteps(
    statements,
    async (sql, args) => await services.query(sql, args),
  );
  expect(expensive).toEqual({});
}

/** Makes a console. Gives its id. */
export async function makeConsole(
  { context }: ControlServices,
  admin: ActingUser,
): Promise<string> {
  const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
  const created = await createConsole(context, admin, input);
  if (!created.ok) {
    throw new Error(created.error.code);
  }
  return created.value.id;
}
