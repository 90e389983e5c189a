/** What the kinds of demo console have in common. */

/** A console that runs, whatever is behind it. */
export interface DemoConsole {
  readonly kind: "qemu" | "test-card";
  readonly host: string;
  /** The plain SPICE port. */
  readonly port: number;
  readonly password: string;
  /** Resolves when the console has ended, by `stop` or by itself. */
  readonly exited: Promise<void>;
  /** Ends the console and everything that it started. Idempotent. */
  readonly stop: () => Promise<void>;
}
