import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** What is polled for comes within milliseconds; a busy machine may take seconds. */
const POLL = { poll: { timeout: 10_000 } };

/**
 * Two runtimes, one run: Node for shared code, relay and tools; workerd for the control plane. The
 * interop project talks to real QEMU and real clients, one file at a time, because each brings
 * processes and screens of its own.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "node",
          include: ["test/{unit,property,integration,tidy}/**/*.test.ts"],
          testTimeout: 20_000,
          expect: POLL,
        },
      },
      {
        plugins: [
          cloudflareTest(async ({ inject }) => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: { bindings: inject("workerBindings") },
          })),
        ],
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          globalSetup: ["./test/harness/worker-bindings.ts"],
          testTimeout: 20_000,
          expect: POLL,
        },
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          fileParallelism: false,
          // libspice-server 0.15.1 crashes now and then when a client goes away (a segmentation fault
          // of its worker, in the kernel's log), and QEMU with it. That is not ours to judge.
          retry: 1,
          testTimeout: 60_000,
          expect: POLL,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
