/** What the command line says of itself. */
import { describe, expect, it } from "vitest";
import { nearest } from "../../../relay/cli/nearest.ts";
import { run } from "./in-process.ts";

const help = async (...args: string[]) => await run(args, () => undefined);

describe("--help", () => {
  it("of a word that only begins commands lists them", async () => {
    for (const flag of ["--help", "-h", "help"]) {
      const { code, stdout, heard } = await help("console", flag);
      expect({ code, heard }).toEqual({ code: 0, heard: [] });
      expect(stdout).toMatch(/^Usage: kerbside console COMMAND \[options\]\n/);
      expect(stdout).toMatch(/^ {2}console add +add a console/m);
      expect(stdout).toMatch(/^ {2}console delete +delete a console/m);
      expect(stdout).not.toContain("consoles ");
    }
    expect((await help("join-token", "--help")).stdout).toContain("join-token create");
  });

  it("of a list names the commands that begin with its name", async () => {
    const { code, stdout } = await help("users", "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: kerbside users /);
    expect(stdout).toMatch(/^ {2}users disable +keep somebody out/m);
    expect((await help("users", "add", "--help")).stdout).not.toContain("users disable");
  });

  it("of login tells what its flags do there, and of other commands what they do for one call", async () => {
    const forOneCall = "log in for this call alone";
    const login = await help("login", "--help");
    expect(login.stdout).toContain("--username NAME      who you are");
    expect(login.stdout).not.toContain(forOneCall);
    expect((await help("consoles", "--help")).stdout).toContain(forOneCall);
  });

  it("of tokens create names the scopes that an admin's token needs", async () => {
    const { stdout } = await help("tokens", "create", "--help");
    expect(stdout).toContain("consoles.read,consoles.read-all");
    expect(stdout).toContain("docs/api/permissions.md");
  });
});

describe("a mistyped word", () => {
  const words = ["sessions", "login", "logout", "terminate", "open"];

  it.each([
    ["sesions", "sessions"],
    ["session", "sessions"],
    ["logni", "login"],
    ["opem", "open"],
    ["termnat", null],
    ["terminaet", "terminate"],
    ["trminat", null],
    ["trminaet", "terminate"],
    ["ls", null],
    ["x".repeat(10_000), null],
  ])("%s means %s", (word, meant) => {
    expect(nearest(word, words)).toBe(meant);
  });
});
