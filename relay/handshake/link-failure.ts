/**
 * One of the two places where a peer's hostile or broken bytes end as a value: whatever goes wrong
 * while a link is made becomes a Failure of the catalogue. Bugs of ours are not caught here.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { ByteSourceError, type ByteSourceFault } from "./byte-source.ts";

/** Thrown inside a leg to end it; never leaves {@link judgeLeg}. */
export class LegFailure extends Error {
  override readonly name = "LegFailure";
  readonly failure: Failure;

  constructor(code: ErrorCode, detail: string) {
    super(code);
    this.failure = { code, detail };
  }
}

/** Runs one leg's work; a peer's fault becomes a Failure, anything else is thrown on. */
export async function judgeLeg<Value>(
  leg: "client" | "server",
  work: () => Promise<Value>,
): Promise<Result<Value, Failure>> {
  try {
    return ok(await work());
  } catch (error) {
    if (error instanceof LegFailure) {
      return fail(error.failure);
    }
    if (error instanceof ByteSourceError) {
      return fail({ code: SOURCE_CODES[leg][error.fault], detail: error.message });
    }
    if (error instanceof SpiceError) {
      return fail({ code: error.code, detail: error.message });
    }
    throw error;
  }
}

const SOURCE_CODES: Readonly<
  Record<"client" | "server", Readonly<Record<ByteSourceFault, ErrorCode>>>
> = {
  client: { closed: "link.closed", deadline: "link.deadline" },
  server: { closed: "server.unreachable", deadline: "server.deadline" },
};
