/**
 * Writes what a run of vitest executed to a file, for the closing line of `npm test`: how many
 * tests passed, failed and were skipped. A module that does not even load counts as a failure.
 */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    const skips: string[] = [];
    for (const testModule of modules) {
      const tests = [...testModule.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state === "passed") {
          counts.passed += 1;
        } else if (state === "skipped") {
          counts.skipped += 1;
          skips.push(`${test.fullName}: ${noteOf(test.result())}`);
        } else {
          counts.failed += 1;
        }
      }
      const failedToLoad = testModule.state() === "failed" && testModule.errors().length > 0;
      counts.failed += failedToLoad ? 1 : 0;
    }
    const file = process.env["KERBSIDE_TEST_SUMMARY"];
    if (file !== undefined) {
      writeFileSync(file, JSON.stringify({ ...counts, skips }));
    }
  }
}

function noteOf(result: object): string {
  return "note" in result && typeof result.note === "string" ? result.note : "no reason given";
}
