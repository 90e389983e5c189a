/** Whether the control plane can do its work, and if not, what is missing. */
import { hasNeededMigration, pingDatabase } from "../repositories/health.ts";
import type { ServiceContext } from "./context.ts";
import { isSigningKeyUsable } from "./grant-signer.ts";

/** What must be in order; the names are shown to everybody, so they say no more than that. */
export type ReadinessCheck = "settings" | "database" | "migrations" | "signing-key";

/**
 * The checks that fail, each with its reason for the log; none: the control plane is ready.
 * `settings` is the caller's to judge, since without them there is no context.
 */
export async function findUnready(
  context: ServiceContext,
): Promise<ReadonlyMap<ReadinessCheck, unknown>> {
  const failures = new Map<ReadinessCheck, unknown>();
  const check = async (name: ReadinessCheck, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failures.set(name, error);
    }
  };
  await Promise.all([
    check("database", async () => await pingDatabase(context.database)),
    check("migrations", async () => {
      if (!(await hasNeededMigration(context.database))) {
        throw new Error("the newest migration that this build needs is not applied");
      }
    }),
    check("signing-key", async () => {
      if (!(await isSigningKeyUsable(context.settings.grantSigningKey))) {
        throw new Error("grants cannot be signed with the key");
      }
    }),
  ]);
  return failures;
}
