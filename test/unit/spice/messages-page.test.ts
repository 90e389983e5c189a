import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
import { messageRows } from "#shared/spice/channel-table.ts";
import { renderMessagesPage } from "../../runner/messages-page.ts";

const page = renderMessagesPage();

describe("docs/messages.md", () => {
  it("is as the tables make it", () => {
    const path = join(import.meta.dirname, "../../../docs/messages.md");
    expect(readFileSync(path, "utf8")).toBe(page);
  });

  it("has a section for each channel, and each message in it", () => {
    for (const channel of CHANNEL_NAMES) {
      const section = page.split(/^## /m).find((text) => text.startsWith(`${channel} (`)) ?? "";
      const own = (["server", "client"] as const)
        .flatMap((direction) => messageRows(channel, direction))
        .filter((row) => row.type > 100);
      expect(section.match(/^\| \d+ \|/gm) ?? []).toHaveLength(own.length);
      expect(own.filter((row) => !section.includes(`| ${row.type} | \`${row.name}\` |`))).toEqual(
        [],
      );
    }
  });

  it("writes exact sizes, ranges and what is quiet", () => {
    expect(page).toContain("| 3 | `SET_ACK` | 8 | yes |");
    expect(page).toContain("| 304 | `DISPLAY_DRAW_COPY` | 57 to 268,435,456 |  |");
  });
});
