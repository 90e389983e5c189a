/** A relay of the test's own, as a process, that enrolled with a host and is linked to it. */
import { eventually } from "./deadline.ts";
import type { ControlClient } from "./control-client.ts";
import { freePort, StackProcess } from "./stack.ts";

/** Ends with `await using`. */
export class LinkedRelay implements AsyncDisposable {
  readonly id: string;
  readonly process: StackProcess;

  private constructor(id: string, process: StackProcess) {
    this.id = id;
    this.process = process;
  }

  static async start(client: ControlClient, stateDir: string): Promise<LinkedRelay> {
    const tlsPort = await freePort();
    const id = await client.enrolRelay({ name: "smoke", tlsPort, stateDir });
    const relay = new StackProcess("relay/main.ts", [
      ...["--state-dir", stateDir, "--listen-host", "127.0.0.1", "--listen-port", String(tlsPort)],
      ...["--workers", "0", "--drain-seconds", "0"],
    ]);
    await relay.start();
    return new LinkedRelay(id, relay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop("SIGKILL");
  }

  /** The life of the hub's storage that it was welcomed to, once for each link so far. */
  get hubEpochs(): string[] {
    const lines = this.process.output.split("\n").filter((line) => line.includes(LINKED));
    return lines.map((line) => /"epoch":"([^"]+)"/.exec(line)?.[1] ?? "none");
  }

  /** Resolves once it has been linked that many times. */
  async linkedTimes(count: number): Promise<void> {
    await eventually(
      `the relay is linked for the ${count}th time`,
      () => (this.hubEpochs.length >= count ? true : null),
      { timeoutMs: LINK_TIMEOUT_MS },
    );
  }
}

const LINKED = '"control.linked"';
/** A relay that lost its hub waits up to some seconds between two attempts. */
const LINK_TIMEOUT_MS = 20_000;
