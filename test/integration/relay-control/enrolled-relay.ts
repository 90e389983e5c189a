/** A relay's process for tests: enrolled with a fake hub, started as a parent would. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { z } from "zod";
import { assert } from "#shared/base/assert.ts";
import { enrolRequestSchema } from "#shared/control/enrolment.ts";
import { enrolRelay } from "../../../relay/control/enrolment.ts";
import { withDeadline } from "../../harness/deadline.ts";
import {
  answerEnrolment,
  startFakeControlPlane,
} from "../../unit/relay-control/fake-control-plane.ts";
import type { FakeHub } from "./fake-hub.ts";

const MAIN = fileURLToPath(new URL("../../../relay/main.ts", import.meta.url));
const WAIT_MS = 10_000;

const readySchema = z.strictObject({
  type: z.literal("ready"),
  relayId: z.string(),
  tlsPort: z.int(),
  plainPort: z.int().nullable(),
  connectPort: z.int().nullable(),
  healthPort: z.int().nullable(),
});

/** Enrols a relay whose hub is the fake one. */
export async function enrol(stateDir: string, hub: FakeHub): Promise<void> {
  const url = `http://127.0.0.1:${hub.port}`;
  await using plane = await startFakeControlPlane(({ body }) =>
    answerEnrolment(url, enrolRequestSchema.parse(body).csr),
  );
  const enrolled = await enrolRelay({
    controlUrl: plane.url,
    joinToken: "kjt",
    name: "relay-1",
    host: "127.0.0.1",
    tlsPort: 5900,
    stateDir,
  });
  expect(enrolled.ok).toBe(true);
}

/** Kill it with `await using`. */
export class RelayProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  output = "";
  errors = "";
  readonly #ready: Promise<unknown>;

  constructor(stateDir: string, args: readonly string[] = [], file: string = MAIN) {
    this.child = fork(
      file,
      [
        ...["--state-dir", stateDir, "--listen-host", "127.0.0.1", "--listen-port", "0"],
        ...["--workers", "1", ...args],
      ],
      {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        env: { PATH: process.env["PATH"] },
        execArgv: [],
      },
    );
    this.child.stdout?.on("data", (text) => (this.output += String(text)));
    this.child.stderr?.on("data", (text) => (this.errors += String(text)));
    // Not `close`: it never comes when it was the parent that closed the IPC channel.
    const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      this.child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    const { stdout, stderr } = this.child;
    assert(stdout !== null && stderr !== null, "both are pipes");
    this.exited = Promise.all([exit, once(stdout, "close"), once(stderr, "close")]).then(
      ([how]) => how,
    );
    this.#ready = new Promise((resolve) => {
      this.child.once("message", resolve);
    });
  }

  async ready(): Promise<z.infer<typeof readySchema>> {
    const said = await withDeadline(
      this.#ready,
      WAIT_MS,
      () => `ready\n${this.output}${this.errors}`,
    );
    return readySchema.parse(said);
  }

  exit() {
    return withDeadline(this.exited, WAIT_MS, () => `exit\n${this.output}${this.errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
