/**
 * The control plane's log: one JSON object a line on the runtime's log. Holds no secret: of the
 * database's errors the parameters are left out, because they are users' data.
 */

/** Writes a failure of ours with the request or connection that it happened in. */
export function logFailure(
  event: string,
  error: unknown,
  circumstances: Readonly<Record<string, string | number | null>>,
): void {
  const line = { level: "error", event, ...circumstances, causes: describeCauses(error) };
  // oxlint-disable-next-line no-console -- the runtime's log is what this file is for
  console.error(JSON.stringify(line));
}

/** Writes that something noteworthy happened, without a failure of ours. */
export function logNotice(
  event: string,
  circumstances: Readonly<Record<string, string | number | null>>,
): void {
  // oxlint-disable-next-line no-console -- the runtime's log is what this file is for
  console.log(JSON.stringify({ level: "info", event, ...circumstances }));
}

/** What went wrong in one line, for who may read how the control plane fares. */
export function describeFailure(error: unknown): string {
  return error instanceof Error ? messageOf(error) : typeof error;
}

/** The chain of causes, outermost first. */
export function describeCauses(error: unknown): object[] {
  const causes: object[] = [];
  let cause = error;
  while (cause instanceof Error && causes.length < CAUSES_MAX) {
    causes.push(describe(cause));
    cause = cause.cause;
  }
  return causes.length === 0 ? [{ name: typeof error }] : causes;
}

function describe(error: Error): object {
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const stack = frames.slice(0, FRAMES_MAX).map((line) => line.trim());
  return { name: error.name, ...code, message: messageOf(error), stack };
}

/** Drizzle's errors (with `query` and `params`) repeat the parameters in their message. */
function messageOf(error: Error): string {
  const message = "params" in error && "query" in error ? String(error.query) : error.message;
  return message.slice(0, MESSAGE_CHARACTERS_MAX);
}

const CAUSES_MAX = 8;
const FRAMES_MAX = 12;
const MESSAGE_CHARACTERS_MAX = 500;
