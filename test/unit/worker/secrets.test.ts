import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { toBase64Url } from "#shared/base/bytes.ts";
import { seal } from "#shared/ticket/seal.ts";
import { parseSecretsKeys, type SecretsKeys } from "../../../worker/identity/secrets-keys.ts";
import { sealSecret, unsealSecret } from "../../../worker/services/secrets.ts";

const newKey = () => Uint8Array.from(randomBytes(32));
const contextOf = (...secretsKeys: SecretsKeys) => ({
  settings: { secretsKeys },
  randomBytes: (count: number) => randomBytes(count),
});
const PLACE = { column: "consoles.sealed_password", rowId: "con_1" } as const;

describe("a secret at rest", () => {
  it("opens where it was put, and its key's name can be read in it", async () => {
    const context = contextOf({ id: "a", key: newKey() });
    const sealed = await sealSecret(context, PLACE, "gehéim");
    expect(sealed).toMatch(/^v2\.a\./);
    expect(sealed).not.toContain("gehéim");
    expect(await unsealSecret(context, PLACE, sealed)).toBe("gehéim");
  });

  it("does not open in another row", async () => {
    const context = contextOf({ id: "a", key: newKey() });
    const sealed = await sealSecret(context, PLACE, "secret");
    expect(await unsealSecret(context, { ...PLACE, rowId: "con_2" }, sealed)).toBeNull();
  });

  it("does not open when it claims to be of the kind that is bound to no row", async () => {
    const context = contextOf({ id: "a", key: newKey() });
    const sealed = await sealSecret(context, PLACE, "secret");
    const unbound = sealed.replace(/^v2\.a\./, "");
    expect(unbound).toMatch(/^v1\./);
    expect(await unsealSecret(context, PLACE, unbound)).toBeNull();
  });

  it("is sealed with the first key, and opens with any that the settings hold", async () => {
    const [old, young] = [
      { id: "old", key: newKey() },
      { id: "young", key: newKey() },
    ];
    const before = await sealSecret(contextOf(old), PLACE, "secret");
    const during = contextOf(young, old);
    expect(await unsealSecret(during, PLACE, before)).toBe("secret");
    const after = await sealSecret(during, PLACE, "secret");
    expect(after).toMatch(/^v2\.young\./);
    expect(await unsealSecret(contextOf(young), PLACE, after)).toBe("secret");
    expect(await unsealSecret(contextOf(young), PLACE, before)).toBeNull();
  });

  it("opens with a key that got another id", async () => {
    const key = newKey();
    const sealed = await sealSecret(contextOf({ id: "default", key }), PLACE, "secret");
    const renamed = contextOf({ id: "2026", key: newKey() }, { id: "2025", key });
    expect(await unsealSecret(renamed, PLACE, sealed)).toBe("secret");
  });

  it("opens as it was sealed before keys had ids, whichever key it was", async () => {
    const key = newKey();
    const sealed = await seal(key, "secret", (count) => randomBytes(count));
    const context = contextOf({ id: "b", key: newKey() }, { id: "a", key });
    expect(await unsealSecret(context, PLACE, sealed)).toBe("secret");
  });

  it.each(["", "v2.", "v2.a.", "v2.a.v1.AAAA", "v3.a.v1.AAAA", "text"])(
    "is null for %j, which nobody sealed",
    async (sealed) => {
      const context = contextOf({ id: "a", key: newKey() });
      expect(await unsealSecret(context, PLACE, sealed)).toBeNull();
    },
  );
});

describe("the settings of the keys", () => {
  const one = toBase64Url(newKey());
  const two = toBase64Url(newKey());
  const idsOf = (settings: Parameters<typeof parseSecretsKeys>[0]) =>
    parseSecretsKeys(settings).map(({ id, key }) => [id, toBase64Url(key)]);

  it("give one key without a name, or several with names, in their order", () => {
    expect(idsOf({ SECRETS_KEY: one })).toEqual([["default", one]]);
    expect(idsOf({ SECRETS_KEYS: `b:${two}, a:${one}` })).toEqual([
      ["b", two],
      ["a", one],
    ]);
    expect(idsOf({ SECRETS_KEYS: `b:${two},`, SECRETS_KEY: one })).toEqual([
      ["b", two],
      ["default", one],
    ]);
  });

  it.each([
    [{}, "SECRETS_KEYS is missing"],
    [{ SECRETS_KEYS: "", SECRETS_KEY: "" }, "SECRETS_KEYS is missing"],
    [{ SECRETS_KEY: "short" }, "SECRETS_KEY must be"],
    [{ SECRETS_KEYS: one }, "id:key"],
    [{ SECRETS_KEYS: `a:${one}x` }, "id:key"],
    [{ SECRETS_KEYS: `a.b:${one}` }, "id:key"],
    [{ SECRETS_KEYS: `a:${one},a:${two}` }, "an id of its own"],
    [{ SECRETS_KEYS: `default:${one}`, SECRETS_KEY: two }, "an id of its own"],
  ])("are refused, without telling a key, when they are wrong: %#", (settings, sentence) => {
    expect(() => parseSecretsKeys(settings)).toThrow(sentence);
    expect(() => parseSecretsKeys(settings)).not.toThrow(one);
  });
});
