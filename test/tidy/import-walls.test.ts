/**
 * The import walls of docs/architecture.md, shown to hold: a violation planted in a copy of the
 * tree is reported, a lawful import beside it is not, and the linter sees the whole repository.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const OXLINT = join(PROJECT_ROOT, "node_modules/oxlint/bin/oxlint");

interface Wall {
  readonly wall: string;
  readonly file: string;
  readonly violation: string;
  readonly lawful: string;
}

const WALLS: readonly Wall[] = [
  {
    wall: "the relay does not import the control plane",
    file: "relay/pump/planted.ts",
    violation: `import type { Env } from "../../worker/env.ts";`,
    lawful: `import type { EventSink } from "../sessions/ports.ts";`,
  },
  {
    wall: "the control plane does not import the relay",
    file: "worker/services/planted.ts",
    violation: `import type { EventSink } from "../../relay/sessions/ports.ts";`,
    lawful: `import type { Caller } from "./context.ts";`,
  },
  {
    wall: "the developer's tools do not import the relay",
    file: "worker/dev/planted.ts",
    violation: `import type { EventSink } from "../../relay/sessions/ports.ts";`,
    lawful: `import { openDatabase } from "../repositories/database.ts";`,
  },
  {
    wall: "the Worker knows none of its hosts",
    file: "worker/hub/planted.ts",
    violation: `import { StateFolder } from "../dev/state-folder.ts";`,
    lawful: `import type { Caller } from "../services/context.ts";`,
  },
  {
    wall: "repositories know none of the hosts either",
    file: "worker/repositories/planted.ts",
    violation: `import { Host } from "../selfhost/host.ts";`,
    lawful: `import { eq } from "drizzle-orm";`,
  },
  {
    wall: "a host of one's own runs without Miniflare",
    file: "worker/selfhost/planted.ts",
    violation: `import { startLocalWorker } from "../dev/local-worker.ts";`,
    lawful: `import { StateFolder } from "../dev/state-folder.ts";`,
  },
  {
    wall: "the byte loop does not import the control link",
    file: "relay/pump/planted.ts",
    violation: `import { link } from "../control/link.ts";`,
    lawful: `import type { EventSink } from "../sessions/ports.ts";`,
  },
  {
    wall: "the handshake does not import the control link",
    file: "relay/handshake/planted.ts",
    violation: `import { link } from "../control/link.ts";`,
    lawful: `import type { Admissions } from "../sessions/ports.ts";`,
  },
  {
    wall: "the listeners do not import the control link",
    file: "relay/listen/planted.ts",
    violation: `import { link } from "../control/link.ts";`,
    lawful: `import type { Admissions } from "../sessions/ports.ts";`,
  },
  {
    wall: "a worker process does not import the control link",
    file: "relay/workers/planted.ts",
    violation: `import { Spool } from "../control/spool.ts";`,
    lawful: `import { LOOKUP_DEADLINE_MS } from "#shared/control/limits.ts";`,
  },
  {
    wall: "shared code knows no runtime",
    file: "shared/ticket/planted.ts",
    violation: `import { randomBytes } from "node:crypto";`,
    lawful: `import { ok } from "#shared/base/result.ts";`,
  },
  {
    wall: "shared code reads no clock",
    file: "shared/ticket/planted.ts",
    violation: `export const now = Date.now();`,
    lawful: `import { ok } from "#shared/base/result.ts";`,
  },
  {
    wall: "the codec imports no other part of shared/",
    file: "shared/spice/planted.ts",
    violation: `import { DEFAULT_POLICY } from "#shared/policy/policy.ts";`,
    lawful: `import { ok } from "#shared/base/result.ts";`,
  },
  {
    wall: "the codec depends on no package",
    file: "shared/spice/planted.ts",
    violation: `import { z } from "zod";`,
    lawful: `import { ok } from "#shared/base/result.ts";`,
  },
  {
    wall: "routes do not reach for repositories",
    file: "worker/routes/planted.ts",
    violation: `import { users } from "../repositories/users.ts";`,
    lawful: `import { login } from "../services/login.ts";`,
  },
  {
    wall: "services know no HTTP framework",
    file: "worker/services/planted.ts",
    violation: `import { Hono } from "hono";`,
    lawful: `import type { Caller } from "./context.ts";`,
  },
  {
    wall: "services write no SQL",
    file: "worker/services/planted.ts",
    violation: `import { sql } from "drizzle-orm";`,
    lawful: `import type { Caller } from "./context.ts";`,
  },
  {
    wall: "the hub writes no SQL of the database",
    file: "worker/hub/planted.ts",
    violation: `import { sql } from "drizzle-orm";`,
    lawful: `import type { Caller } from "../services/context.ts";`,
  },
  {
    wall: "nothing imports the tests",
    file: "relay/sessions/planted.ts",
    violation: `import { startQemu } from "../../test/harness/qemu.ts";`,
    lawful: `import type { EventSink } from "./ports.ts";`,
  },
];

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kerbside-walls-"));
  cpSync(join(PROJECT_ROOT, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("import walls", () => {
  it.each(WALLS)("$wall: a planted violation is reported", async (row) => {
    const diagnostics = await lint(plant(row.file, row.violation));
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toEqual(
      expect.arrayContaining([expect.stringMatching(/no-restricted-(imports|globals)/)]),
    );
  });

  it.each(WALLS)("$wall: a lawful import is not reported", async (row) => {
    const diagnostics = await lint(plant(row.file, row.lawful));
    const restricted = diagnostics.filter((diagnostic) => diagnostic.code.includes("restricted"));
    expect(restricted).toEqual([]);
  });

  it("the linter sees the whole repository", async () => {
    const { number_of_files: fileCount } = await runOxlint(PROJECT_ROOT, ["."]);
    expect(fileCount).toBeGreaterThan(100);
  });
});

/** Each violation has a folder of its own, so that rows do not see each other's. */
function plant(file: string, line: string): { readonly root: string; readonly file: string } {
  const root = mkdtempSync(join(folder, "tree-"));
  cpSync(join(folder, ".oxlintrc.json"), join(root, ".oxlintrc.json"));
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), `${line}\n`);
  return { root, file };
}

async function lint(planted: { readonly root: string; readonly file: string }) {
  const output = await runOxlint(planted.root, [planted.file]);
  expect(output.number_of_files).toBe(1);
  return output.diagnostics;
}

const outputSchema = z.object({
  diagnostics: z.array(z.object({ code: z.string(), message: z.string() })),
  number_of_files: z.int(),
});

function runOxlint(cwd: string, paths: readonly string[]): Promise<z.infer<typeof outputSchema>> {
  return new Promise((resolve, reject) => {
    const args = [OXLINT, "--format=json", ...paths];
    const options = { cwd, maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, args, options, (_error, stdout, stderr) => {
      try {
        resolve(outputSchema.parse(JSON.parse(stdout)));
      } catch {
        reject(new Error(`oxlint printed no report: ${stderr}${stdout.slice(0, 500)}`));
      }
    });
  });
}
