/** One attempt to deliver a message: bounded in time, no redirects, and a failure is an outcome. */
import type { ServiceContext } from "./context.ts";

/** Why a message was not taken. */
export type DeliveryError =
  | "unreachable"
  | "timeout"
  /** The receiver answered with something else than 2xx. */
  | "refused"
  | "redirected"
  /** Its address is not allowed any more. */
  | "target-forbidden"
  /** The secret was sealed with a key that is gone. */
  | "secret-unreadable"
  /** Retention has deleted the events. */
  | "events-gone";

export interface AttemptOutcome {
  readonly status: number | null;
  /** Null: it was taken. */
  readonly error: DeliveryError | null;
}

/** Posts the body; whatever the answer holds is not read. */
export async function attemptDelivery(
  context: Pick<ServiceContext, "egress">,
  url: string,
  message: { readonly headers: Record<string, string>; readonly body: string },
): Promise<AttemptOutcome> {
  const send = context.egress ?? ((request: Request) => fetch(request));
  const abort = new AbortController();
  // Why: AbortSignal.timeout would stay armed after the answer.
  const timer = setTimeout(() => {
    abort.abort();
  }, ANSWER_DEADLINE_MS);
  try {
    const request = new Request(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "Kerbside-Webhooks/1",
        ...message.headers,
      },
      body: message.body,
      redirect: "manual",
      signal: abort.signal,
    });
    const response = await send(request);
    await response.body?.cancel();
    return judgeAnswer(response.status);
  } catch {
    return { status: null, error: abort.signal.aborted ? "timeout" : "unreachable" };
  } finally {
    clearTimeout(timer);
  }
}

function judgeAnswer(status: number): AttemptOutcome {
  if (status >= 200 && status < 300) {
    return { status, error: null };
  }
  // An opaque redirect has the status 0.
  const redirected = status === 0 || (status >= 300 && status < 400);
  return { status: status === 0 ? null : status, error: redirected ? "redirected" : "refused" };
}

/** Receivers are to store the message and answer; what takes longer is to happen afterwards. */
const ANSWER_DEADLINE_MS = 10_000;
