/** Lists of the API on a terminal: tables, JSON, bounds, and what was asked for. */
import { describe, expect, it } from "vitest";
import { run } from "./in-process.ts";

const relay = (id: string, draining = false) => ({
  id,
  name: `name-of-${id}`,
  site: { id: "sit_1", name: "here" },
  state: "online",
  draining,
  disabled: false,
  host: "relay.example",
  tlsPort: 5900,
  build: null,
  lastSeenAt: "2026-03-01T12:00:00.000Z",
  colour: "blue",
});

const paged = ({ path }: { readonly path: string }) =>
  path.includes("cursor=2")
    ? { json: { items: [relay("rly_c")], nextCursor: null } }
    : { json: { items: [relay("rly_a"), relay("rly_b", true)], nextCursor: "2" } };

describe("a list", () => {
  it("is a table of every page", async () => {
    const { code, stdout, stderr } = await run(["relays"], paged);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^ID +NAME +SITE +STATE +HOST +BUILD +SEEN$/);
    expect(lines[2]).toMatch(
      /^rly_b +name-of-rly_b +here +online, draining +relay\.example:5900 +- /,
    );
    expect(lines).toHaveLength(4);
  });

  it("may be called a list", async () => {
    const [plain, called] = [await run(["relays"], paged), await run(["relays", "list"], paged)];
    expect(called.stdout).toBe(plain.stdout);
    const two = await run(["relays", "list", "list"], paged);
    expect(two).toMatchObject({ code: 2, heard: [] });
  });

  it("is one array of everything that was answered with --json", async () => {
    const { stdout } = await run(["relays", "--json"], paged);
    expect(JSON.parse(stdout)).toEqual([relay("rly_a"), relay("rly_b", true), relay("rly_c")]);
  });

  it("ends where --limit says, and asks for no page more", async () => {
    const { stdout, heard } = await run(["relays", "--limit", "2", "--json"], paged);
    expect(JSON.parse(stdout)).toHaveLength(2);
    expect(heard).toHaveLength(1);
    for (const limit of ["0", "-1", "many"]) {
      const refused = await run(["relays", "--limit", limit], paged);
      expect(refused).toMatchObject({ code: 2, heard: [] });
      expect(refused.stderr).toContain("--limit");
    }
  });

  it("that is empty says so, and is an empty array to scripts", async () => {
    const none = () => ({ json: { items: [], nextCursor: null } });
    expect(await run(["relays"], none)).toMatchObject({ code: 0, stdout: "", stderr: "None.\n" });
    expect((await run(["relays", "--json"], none)).stdout).toBe("[]\n");
  });

  it("of another version's control plane is a sentence", async () => {
    const strange = () => ({ json: { items: [{ id: 1 }], nextCursor: null } });
    const { code, stdout, stderr } = await run(["relays"], strange);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /GET \/api\/v1\/relays .*\(items\.0\.id\): are they of different versions\?/,
    );
  });
});

describe("relays", () => {
  it("are found by name and told what to do", async () => {
    const answer = ({ method, path }: { readonly method: string; readonly path: string }) =>
      method === "GET" ? paged({ path }) : { json: relay("rly_c") };
    const { stderr, heard } = await run(
      ["relays", "drain", "NAME-OF-RLY_C", "--deadline", "30m"],
      answer,
    );
    const ordered = heard.at(-1);
    expect(`${ordered?.method} ${ordered?.path}`).toBe("POST /api/v1/relays/rly_c/drain");
    expect(ordered?.body).toEqual({ deadlineS: 1_800 });
    expect(stderr).toBe("name-of-rly_c gets no new sessions.\n");
    const wrong = await run(["relays", "drain", "x", "--deadline", "soon"], answer);
    expect(wrong).toMatchObject({ code: 2, heard: [] });
  });
});
