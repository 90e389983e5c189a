/** The stored boot sector is what its source assembles to, and is a boot sector. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { bootSector, keyColour } from "../../../worker/dev/demo/boot-sector.ts";

describe("boot sector", () => {
  it("is one sector with the signature that the BIOS looks for", () => {
    const sector = bootSector();
    expect(sector.length).toBe(512);
    expect(Array.from(sector.subarray(510))).toEqual([0x55, 0xaa]);
  });

  it("equals its source, assembled", () => {
    const source = fileURLToPath(
      new URL("../../../worker/dev/demo/boot-sector.asm", import.meta.url),
    );
    const folder = mkdtempSync(join(tmpdir(), "kerbside-nasm-"));
    try {
      const image = join(folder, "boot-sector.img");
      const nasm = spawnSync("nasm", ["-f", "bin", source, "-o", image], {
        timeout: ASSEMBLE_TIMEOUT_MS,
      });
      expect(nasm.error, "nasm did not run; install it with: apt-get install nasm").toBe(undefined);
      expect(nasm.stderr.toString()).toBe("");
      expect(readFileSync(image).equals(bootSector())).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("names the key and the count of presses in its colour", () => {
    expect(keyColour(0x1e, 1)).toBe(0x1e01fe);
    expect(keyColour(0x30, 256)).toBe(0x3000ff);
  });
});

const ASSEMBLE_TIMEOUT_MS = 10_000;
