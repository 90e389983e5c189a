/** Whether the control plane can do its work. */
import { pingDatabase } from "../repositories/health.ts";
import type { ServiceContext } from "./context.ts";

/** @throws {Error} when the database does not answer (see repositories/database-errors.ts). */
export async function checkHealth(context: ServiceContext): Promise<void> {
  await pingDatabase(context.database);
}
