import { sql } from "drizzle-orm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openDatabase } from "../../../worker/repositories/database.ts";
import { isDatabaseUnavailable } from "../../../worker/repositories/database-errors.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** An answer that begins and never ends, until the request is given up. */
function answerHalf(signal: AbortSignal | null | undefined): Response {
  const body = new ReadableStream({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode('{"baton":'));
      signal?.addEventListener("abort", () => controller.error(signal.reason));
    },
  });
  return new Response(body, { headers: { "Content-Type": "application/json" } });
}

describe("a database that stops in the middle of its answer", () => {
  it("is away: nobody waits for the rest beyond the deadline", async () => {
    vi.useFakeTimers();
    vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) =>
      answerHalf(init?.signal),
    );
    const database = openDatabase({ url: "https://database.test", authToken: "none" });
    const outcome = database.run(sql`SELECT 1`).then(
      () => null,
      (error: unknown) => error,
    );
    await vi.advanceTimersByTimeAsync(60_000);
    expect(isDatabaseUnavailable(await outcome)).toBe(true);
  });

  it("or answers with an error of its own is away too", async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("ill", { status: 502 }));
    const database = openDatabase({ url: "https://database.test", authToken: "none" });
    const failure: unknown = await database.run(sql`SELECT 1`).catch((error: unknown) => error);
    expect(isDatabaseUnavailable(failure)).toBe(true);
  });
});
