/**
 * The keys whose signatures on audit checkpoints count, and the number of the newest checkpoint:
 * sealed with a key that is not in the database, so that who can write there can neither slip in a
 * key of their own nor take the newest checkpoints away without being found out.
 */
import { z } from "zod";
import { publicKeySchema } from "#shared/audit/trail-file.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { findSealedKeyring } from "../repositories/audit-checkpoints.ts";
import type { ServiceContext } from "./context.ts";
import { sealSecret, unsealSecret } from "./secrets.ts";

/** A public key, for whoever verifies. */
export type CheckpointKey = z.infer<typeof publicKeySchema>;

export interface AuditKeyring {
  /** Public halves, kept for good: old checkpoints are opened with them. */
  readonly keys: readonly CheckpointKey[];
  /** The number of the newest checkpoint; 0 before the first. */
  readonly newest: number;
}

/** Empty before the first checkpoint. Fails when it was altered, or sealed with a key that is gone. */
export async function readKeyring(
  context: ServiceContext,
): Promise<Result<AuditKeyring, "unreadable">> {
  const sealed = await findSealedKeyring(context.database);
  if (sealed === null) {
    return ok({ keys: [], newest: 0 });
  }
  const text = await unsealSecret(context, PLACE, sealed);
  return text === null ? fail("unreadable") : ok(keyringSchema.parse(JSON.parse(text)));
}

export async function sealKeyring(context: ServiceContext, keyring: AuditKeyring): Promise<string> {
  return await sealSecret(context, PLACE, JSON.stringify(keyring));
}

const keyringSchema = z.object({ keys: z.array(publicKeySchema), newest: z.int() });

/** There is one (repositories/audit-checkpoints.ts). */
const PLACE = { column: "audit_keyring.sealed_keys", rowId: "checkpoints" } as const;
