/** Whether the control plane can do its work, and if not, what stands in the way. */
import { hasNeededMigration, pingDatabase } from "../repositories/health.ts";
import type { ServiceContext } from "./context.ts";
import { SigningKeyCache } from "./signing-key-cache.ts";
import { activeSigningKey } from "./signing-keys.ts";

/** What must be in order; the names are shown to everybody, so they say no more than that. */
export type ReadinessCheck = "settings" | "database" | "migrations" | "signing-key";

export interface Unready {
  readonly check: ReadinessCheck;
  /** For the log. */
  readonly reason: unknown;
}

/**
 * The first check that fails; null: the control plane is ready. Each rests on those before it, so
 * the first one says what to mend. `settings` is the caller's to judge, since without them there is
 * no context.
 */
export async function findUnready(context: ServiceContext): Promise<Unready | null> {
  for (const [check, work] of CHECKS) {
    try {
      await work(context);
    } catch (error) {
      return { check, reason: error };
    }
  }
  return null;
}

const CHECKS: readonly (readonly [ReadinessCheck, (context: ServiceContext) => Promise<void>])[] = [
  ["database", async (context) => await pingDatabase(context.database)],
  [
    "migrations",
    async (context) => {
      if (!(await hasNeededMigration(context.database))) {
        throw new Error("the newest migration that this build needs is not applied");
      }
    },
  ],
  [
    "signing-key",
    async (context) => {
      // Asked anew: what the isolate remembers may be gone.
      const key = await activeSigningKey({ ...context, signingKeys: new SigningKeyCache() });
      if (!key.ok) {
        throw new Error(`${key.error.code} ${key.error.detail}`);
      }
    },
  ],
];
