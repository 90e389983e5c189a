import { describe, expect, it } from "vitest";
import { createLog } from "../../../relay/telemetry/log.ts";

describe("the log", () => {
  it("writes one JSON line and redacts what slipped in under a secret's name", () => {
    const lines: string[] = [];
    const log = createLog({ level: "info", stream: { write: (line) => void lines.push(line) } });
    log.info({ ticket: "kst1_secret", target: { password: "secret" }, code: "x" }, "some.line");
    log.debug({ code: "y" }, "not.written");
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("secret");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      level: "info",
      msg: "some.line",
      code: "x",
      ticket: "[redacted]",
      target: { password: "[redacted]" },
    });
  });
});
