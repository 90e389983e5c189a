/** What the control plane warns of in a policy: rules that no relay can enforce. */
import { z } from "zod";
import { printable } from "./printable.ts";

export const policyWarningsSchema = z.array(
  z.looseObject({ rule: z.string(), message: z.string() }),
);

/** A line each, for standard error; older control planes warn of nothing. */
export function sayPolicyWarnings(
  warnings: z.infer<typeof policyWarningsSchema> = [],
): readonly string[] {
  return warnings.map(({ rule, message }) => printable(`Warning: ${rule}: ${message}`));
}
