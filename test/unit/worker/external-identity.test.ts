import { describe, expect, it } from "vitest";
import {
  boundedText,
  type ExternalIdentity,
  groupNames,
  roleOf,
  usernamesFor,
} from "../../../worker/identity/external-identity.ts";

const identity = (username: string, provider = "corp"): ExternalIdentity => ({
  provider,
  subject: "248289761001",
  username,
  displayName: null,
  email: null,
  groups: [],
});

const USERNAME_PATTERN = /^[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?$/;

describe("the role of somebody who comes through a provider", () => {
  it("is the highest that one of the groups gives", () => {
    const roles = { admin: ["root"], operator: ["ops"], auditor: ["audit"], user: ["vdi"] };
    expect(roleOf(roles, ["vdi", "ops", "audit"])).toBe("operator");
    expect(roleOf(roles, ["vdi", "root"])).toBe("admin");
    expect(roleOf(roles, ["audit"])).toBe("auditor");
    expect(roleOf(roles, ["vdi"])).toBe("user");
  });

  it("is none for who is in no group that lets in, where such groups are named", () => {
    expect(roleOf({ user: ["vdi"] }, ["others"])).toBeNull();
    expect(roleOf({ user: [] }, [])).toBeNull();
    expect(roleOf({ admin: ["root"] }, ["others"])).toBe("user");
    expect(roleOf({}, [])).toBe("user");
  });

  it("is given by whole names alone", () => {
    expect(roleOf({ admin: ["root"], user: [] }, ["root2", "ROOT", " root"])).toBeNull();
  });
});

describe("the user names to try for a new person", () => {
  it("are their own, and one that says where they come from", () => {
    expect(usernamesFor(identity("alice"))).toEqual(["alice", "alice@corp"]);
  });

  it("fit what a user name may hold, whatever the provider says", () => {
    for (const name of [
      "Zoë Müller",
      "  ",
      "a".repeat(200),
      "../../etc",
      "-x-",
      "日本",
      "a@b.c",
      "",
    ]) {
      for (const username of usernamesFor(identity(name, "a-provider-of-a-long-name-indeed"))) {
        expect(username).toMatch(USERNAME_PATTERN);
      }
    }
    expect(usernamesFor(identity("Zoë Müller"))[0]).toBe("Zoe-Muller");
    expect(usernamesFor(identity(""))[0]).toBe("248289761001");
  });
});

describe("what a provider says", () => {
  it("is stored as bounded text of one line", () => {
    expect(boundedText("Alice\n\u0007 Example ")).toBe("Alice  Example");
    expect(boundedText("x".repeat(1_000))).toHaveLength(256);
    expect(boundedText(" \t")).toBeNull();
    expect(boundedText(7)).toBeNull();
  });

  it("is a list of groups, or a single one, and nothing else", () => {
    expect(groupNames(["a", "a", "", 7, "b"])).toEqual(["a", "b"]);
    expect(groupNames("a")).toEqual(["a"]);
    expect(groupNames({ a: 1 })).toEqual([]);
    expect(groupNames(Array.from({ length: 1_000 }, (_, index) => `g${index}`))).toHaveLength(500);
  });
});
