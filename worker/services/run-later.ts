/** Work that nobody waits for: it goes on after the answer where the runtime allows it. */
import { logFailure } from "../log.ts";
import type { ServiceContext } from "./context.ts";

/** Runs it after the answer, or now where there is no after. A failure is logged, never thrown. */
export async function runLater(
  context: Pick<ServiceContext, "defer">,
  name: string,
  run: () => Promise<void>,
): Promise<void> {
  const work = run().catch((error: unknown) => {
    logFailure("deferred.failed", error, { work: name });
  });
  if (context.defer === undefined) {
    await work;
  } else {
    context.defer(work);
  }
}
