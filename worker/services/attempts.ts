/**
 * Guessing ends soon: attempts are counted by the caller's address and, where there is one, by the
 * account that they aim at. An attempt is taken before it is judged, so that many at once count as
 * many, and is given back when it turned out to be right: who makes no mistakes is never refused.
 *
 * Nobody can keep an account's owner out for ever: the account's bucket fills again, and an address
 * from which the owner came within the last month has a bucket of its own.
 */
import type { AttemptKind } from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { addressBucket } from "../identity/client-address.ts";
import type { BucketRule } from "../limits/bucket.ts";
import type { LimitRequest, LimitSource } from "../limits/limit-rules.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { FieldFailure } from "./field-failure.ts";
import { runLater } from "./run-later.ts";

/** The account that an attempt aims at. */
export interface AttemptAccount {
  /** What it is counted by, whether or not there is such an account. */
  readonly name: string;
  /** The user's id, if there is one, for the audit trail: asked when a refusal is told. */
  readonly userId: () => Promise<string | null>;
}

/** An attempt that may go on; to be settled when it was right. */
export interface Attempt {
  readonly taken: readonly Taken[];
}

interface Taken {
  readonly by: "address" | "account";
  readonly request: LimitRequest;
  readonly from: LimitSource;
}

/**
 * Takes an attempt of the caller's. Fails with `request.rate-limited` and the time to wait. Callers
 * without a known address are counted by account alone.
 */
export async function takeAttempt(
  context: ServiceContext,
  caller: Caller,
  kind: AttemptKind,
  account: AttemptAccount | null = null,
): Promise<Result<Attempt, FieldFailure>> {
  const taken: Taken[] = [];
  // By address first: who is refused by it must not empty the account's bucket as well.
  for (const { by, request } of requestsOf(kind, caller.address, account)) {
    const answer = await context.limits.take(request);
    if (!answer.allowed) {
      if (answer.isFirst) {
        await runLater(context, "auth.rate-limited", async () => {
          const userId = by === "account" ? ((await account?.userId()) ?? null) : null;
          const data = { kind, by, ...(userId === null ? {} : { userId }) };
          const event = { type: "auth.rate-limited", data } as const;
          await storeWithAudit(context.database, [auditRecord(context, caller, event)]);
        });
      }
      const retryAfterS = Math.max(1, Math.ceil(answer.retryAfterMs / 1000));
      return fail({ code: "request.rate-limited", detail: "", retryAfterS });
    }
    taken.push({ by, request, from: answer.from });
  }
  return ok({ taken });
}

/** The attempt was right: it does not count, and the owner's address is known from now on. */
export async function settleAttempt(context: ServiceContext, attempt: Attempt): Promise<void> {
  await runLater(context, "attempt.settle", async () => {
    await Promise.all(
      attempt.taken.map(async ({ request, from }) => await context.limits.settle(request, from)),
    );
  });
}

/**
 * The attempt was not judged, for no fault of the account's: it does not count against the account.
 * It does against the address, which may be what keeps us busy.
 */
export async function forgiveAccount(context: ServiceContext, attempt: Attempt): Promise<void> {
  const ofAccount = attempt.taken.filter(({ by }) => by === "account");
  await giveBack(context, ofAccount);
}

/** The attempt was not judged, because who judges was away: it does not count at all. */
export async function forgiveAttempt(context: ServiceContext, attempt: Attempt): Promise<void> {
  await giveBack(context, attempt.taken);
}

async function giveBack(context: ServiceContext, taken: readonly Taken[]): Promise<void> {
  await runLater(context, "attempt.forgive", async () => {
    await Promise.all(
      taken.map(async ({ request, from }) => {
        const { key, rule } = from === "known" ? (request.known ?? request) : request;
        // Without the known address: nothing was proved.
        await context.limits.settle({ key, rule }, "common");
      }),
    );
  });
}

function requestsOf(
  kind: AttemptKind,
  address: string | null,
  account: AttemptAccount | null,
): { readonly by: "address" | "account"; readonly request: LimitRequest }[] {
  const rules: AttemptRules = ATTEMPT_RULES[kind];
  const bucket = address === null ? null : addressBucket(address);
  const requests: ReturnType<typeof requestsOf> = [];
  if (bucket !== null && rules.address !== undefined) {
    const request = { key: `${kind} address ${bucket}`, rule: rules.address };
    requests.push({ by: "address", request });
  }
  if (account !== null && rules.account !== undefined) {
    const key = `${kind} account ${plainName(account.name)}`;
    const known =
      bucket === null || rules.known === undefined
        ? undefined
        : { key: `${key} from ${bucket}`, rule: rules.known };
    requests.push({ by: "account", request: { key, rule: rules.account, known } });
  }
  return requests;
}

/** Many directories read a name alike whatever its case, accents, widths and outer blanks. */
function plainName(name: string): string {
  return name
    .normalize("NFKD")
    .replaceAll(/\p{M}+/gu, "")
    .trim()
    .toLowerCase();
}

interface AttemptRules {
  readonly address?: BucketRule;
  readonly account?: BucketRule;
  /** From an address that the account's owner is known to use. */
  readonly known?: BucketRule;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/**
 * How many wrong attempts may be made. Right ones do not count, so an office behind one address is
 * not in its own way. By account a guesser has 1,440 passwords a day, from however many addresses.
 */
const ATTEMPT_RULES: Readonly<Record<AttemptKind, AttemptRules>> = {
  login: {
    address: { burst: 20, refillMs: 15 * SECOND_MS },
    account: { burst: 10, refillMs: MINUTE_MS },
    known: { burst: 10, refillMs: MINUTE_MS },
  },
  /** The old password, asked of somebody who is logged in: a stolen login must not learn it. */
  password: { account: { burst: 5, refillMs: MINUTE_MS } },
  /** Addresses of console files and of shares hold 256 random bits; a wrong one is no typing error. */
  "console-file": { address: { burst: 30, refillMs: 2 * SECOND_MS } },
  "share-link": { address: { burst: 30, refillMs: 2 * SECOND_MS } },
  enrolment: { address: { burst: 10, refillMs: 6 * SECOND_MS } },
  /** What comes back from a login provider. */
  "login-callback": { address: { burst: 20, refillMs: 3 * SECOND_MS } },
  /** Begun with a provider. Nobody can tell whether that was right, so an office needs more of them. */
  "login-start": { address: { burst: 100, refillMs: SECOND_MS } },
};
