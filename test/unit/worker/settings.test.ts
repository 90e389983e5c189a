import { describe, expect, it } from "vitest";
import { secretsSchema } from "../../../worker/dev/secrets.ts";
import { operatorSettings, SETTINGS, settingNames } from "../../../worker/settings.ts";

describe("the Worker's settings", () => {
  it("that are kept with the state are the secrets that are made", () => {
    expect(settingNames("state").toSorted()).toEqual(Object.keys(secretsSchema.shape).toSorted());
  });

  it("that an operator chose are taken from the environment, and nothing else is", () => {
    expect(
      operatorSettings({
        KERBSIDE_WEB_ORIGINS: "https://a.example",
        KERBSIDE_LOCAL_LOGIN: "",
        TICKET_ROOT: "x",
        LIBSQL_URL: "libsql://elsewhere",
        PATH: "/bin",
      }),
    ).toEqual({ KERBSIDE_WEB_ORIGINS: "https://a.example" });
  });

  it("have names that cannot be taken for another program's where an operator gives them", () => {
    for (const name of settingNames("operator")) {
      expect(name).toMatch(/^(?:KERBSIDE_[A-Z_]+|SECRETS_KEYS)$/);
    }
    expect(Object.keys(SETTINGS).length).toBeGreaterThan(8);
  });
});
