/**
 * The relay under test: the data plane as it is, in a process of its own, with a control plane that is
 * a few functions. Answers with its port, or with a ticket for a server.
 */
import { randomBytes } from "node:crypto";
import { fail } from "#shared/base/result.ts";
import { startDataPlane } from "../../../relay/data-plane.ts";
import { createLog } from "../../../relay/telemetry/log.ts";
import { keepYoungGeneration } from "../../../relay/workers/young-generation.ts";
import { makeControl } from "../../harness/relay/fake-control.ts";
import { answerQuestions } from "./bench-process.ts";

export type RelayQuestion =
  | { readonly kind: "start"; readonly cert: string; readonly key: string }
  | { readonly kind: "ticket"; readonly serverPort: number };

// As relay/main.ts does.
keepYoungGeneration();
const control = await makeControl();
let started: Awaited<ReturnType<typeof startDataPlane>> | null = null;

async function start(tls: { readonly cert: string; readonly key: string }): Promise<number> {
  started = await startDataPlane({
    tls,
    listen: { host: "127.0.0.1", port: 0 },
    healthPort: null,
    // One process for each core that HAProxy's one thread has, and the control process beside it.
    workers: 1,
    events: { record() {} },
    lookup: { lookup: () => Promise.resolve(fail("unknown")) },
    contact: { silentMs: () => 0 },
    keyRing: control.ring,
    isLinked: () => true,
    log: createLog({ level: "info", stream: { write() {} } }),
    nowMs: Date.now,
    randomBytes,
    // All load comes from one address.
    limits: { connectionsPerSourceMax: CONNECTIONS_MAX, handshakesPerSourceMax: CONNECTIONS_MAX },
  });
  return started.address.port;
}

async function grant(serverPort: number): Promise<string> {
  const issued = await control.issue({ target: { port: serverPort } });
  const refusal = await started?.commands.apply({ kind: "grant", grant: issued.grant });
  if (refusal !== null) {
    throw new Error(`the relay refused a grant: ${JSON.stringify(refusal)}`);
  }
  return issued.ticket;
}

const CONNECTIONS_MAX = 6_000;

answerQuestions<RelayQuestion>((question) =>
  question.kind === "start" ? start(question) : grant(question.serverPort),
);
