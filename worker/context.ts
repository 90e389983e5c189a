/**
 * Builds what services are given out of the Worker's environment, alike for requests and for the
 * hubs. One context a request (or a hub's wake-up): the database client inside is not shared.
 */
import { readConfig } from "./config.ts";
import type { Env } from "./env.ts";
import { createHubs } from "./hub/hubs.ts";
import { createLimits, type Limiter } from "./limits/limits.ts";
import { openDatabase } from "./repositories/database.ts";
import type { ServiceContext } from "./services/context.ts";
import { SigningKeyCache } from "./services/signing-key-cache.ts";
import { isolatePorts, WorkGate } from "./work-gate.ts";

/** @throws {SettingError} with one sentence that names the setting, when one is missing or wrong. */
export function createServiceContext(env: Env): ServiceContext {
  const { databaseUrl, databaseAuthToken, ...settings } = readConfig(env);
  return {
    database: openDatabase({ url: databaseUrl, authToken: databaseAuthToken }),
    settings,
    hubs: createHubs(env.HUB),
    limits: createLimits((name) => limiterNamed(env, name)),
    signingKeys: SIGNING_KEYS,
    ...egressOf(env, settings.webhookPrivateTargets),
    passwordGate: PASSWORD_GATE,
    nowMs: () => Date.now(),
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  };
}

/** The platform's types of remote calls are wider than a plain promise. */
function limiterNamed({ LIMITS }: Env, name: string): Limiter {
  const limiter = LIMITS.get(LIMITS.idFromName(name));
  return {
    take: async (request) => await limiter.take(request),
    settle: async (request, from) => {
      await limiter.settle(request, from);
    },
  };
}

/** One an isolate: it holds values alone, and nothing that belongs to a request. */
const SIGNING_KEYS = new SigningKeyCache();

/**
 * Judging a password holds the isolate's thread for 130 ms on purpose. One after the other, with a
 * pause in which everybody else is served, many who log in at once are slow for themselves alone.
 */
const PASSWORD_GATE = new WorkGate({ placesMax: 1, waitingMax: 64, lookEveryMs: 40 }, isolatePorts);

/** Where private addresses are allowed, the way out that keeps to public ones is not taken. */
function egressOf(env: Env, allowPrivate: boolean): Pick<ServiceContext, "egress"> {
  const { WEBHOOK_EGRESS: egress } = env;
  return egress === undefined || allowPrivate
    ? {}
    : { egress: async (request) => await egress.fetch(request) };
}
