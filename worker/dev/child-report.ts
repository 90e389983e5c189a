/** What a helper process tells its parent over IPC (worker/dev/child.ts is the other end). */
import type { ChildProcess } from "node:child_process";
import { StartError } from "./state-folder.ts";

export type ReadyReport = Readonly<Record<string, unknown>>;

/**
 * Settles with what the child reports once it is ready; never, when it ends without a word.
 * @throws {StartError} with the child's own sentence.
 */
export function readyReport(child: ChildProcess): Promise<ReadyReport> {
  return new Promise((resolve, reject) => {
    child.on("message", (message) => {
      const report = isRecord(message) ? message : {};
      if (report["type"] === "ready") {
        resolve(report);
      } else if (report["type"] === "failed") {
        const sentence = String(report["stack"] ?? report["message"]);
        reject(new StartError(sentence, Number(report["exitCode"] ?? 1)));
      }
    });
    child.once("error", reject);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
