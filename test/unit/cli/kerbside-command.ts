/** The kerbside command as people run it, and what stands around it in its tests. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { runToEnd } from "../../harness/child-process.ts";
import { type TempFolder } from "../../harness/temp-folder.ts";
import { startFakeControlPlane } from "../relay-control/fake-control-plane.ts";
import { answer } from "./fake-answers.ts";

export const LAUNCH = fileURLToPath(new URL("../../../relay/cli/launch.mjs", import.meta.url));

export async function startPlane() {
  const plane = await startFakeControlPlane((request) => answer(() => plane.url, request));
  return plane;
}

export function environment(folder: TempFolder, password?: string) {
  return {
    XDG_CONFIG_HOME: folder.file("config"),
    HOME: folder.path,
    PATH: folder.file("bin"),
    DISPLAY: ":0",
    WAYLAND_DISPLAY: undefined,
    TMPDIR: folder.path,
    KERBSIDE_URL: undefined,
    KERBSIDE_PASSWORD: password,
  };
}

export function kerbside(
  folder: TempFolder,
  args: readonly string[],
  password?: string,
  more: Readonly<Record<string, string | undefined>> = {},
) {
  return runToEnd({
    command: process.execPath,
    args: [LAUNCH, ...args],
    env: { ...environment(folder, password), ...more },
    cwd: folder.path,
  });
}

export async function loggedIn(folder: TempFolder, url: string): Promise<void> {
  const login = await kerbside(
    folder,
    ["login", "--url", url, "--username", "admin"],
    "correct horse",
  );
  expect(login).toMatchObject({ code: 0, stdout: "" });
}

/** A viewer that keeps what it was given, and how the file looked. */
export function installViewer(folder: TempFolder, exitCode = 0): void {
  const script =
    `#!${process.execPath}\n` +
    'const fs = require("node:fs");\n' +
    "const mode = (fs.statSync(process.argv[2]).mode & 0o777).toString(8);\n" +
    `fs.copyFileSync(process.argv[2], ${JSON.stringify(folder.file("shown.vv"))});\n` +
    `fs.writeFileSync(${JSON.stringify(folder.file("shown.txt"))}, process.argv[2] + " " + mode);\n` +
    `process.exit(${exitCode});\n`;
  mkdirSync(folder.file("bin"), { recursive: true });
  writeFileSync(folder.file("bin/remote-viewer"), script);
  chmodSync(folder.file("bin/remote-viewer"), 0o755);
}
