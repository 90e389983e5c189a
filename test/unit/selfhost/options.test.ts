import { describe, expect, it } from "vitest";
import { parseSelfhostOptions, USAGE } from "../../../worker/selfhost/options.ts";

describe("the options of npm run selfhost", () => {
  it("have defaults that serve this machine alone", () => {
    expect(parseSelfhostOptions([], {})).toEqual({
      ok: true,
      value: {
        host: "127.0.0.1",
        port: 8787,
        publicUrl: "http://127.0.0.1:8787",
        stateDir: ".kerbside-selfhost",
        json: false,
        help: false,
      },
    });
  });

  it.each([
    [["--public-url", "https://kerbside.example"], {}, "https://kerbside.example"],
    [["--public-url", "https://kerbside.example/"], {}, "https://kerbside.example"],
    [[], { PUBLIC_URL: "https://kerbside.example" }, "https://kerbside.example"],
    [["--public-url", "http://a"], { PUBLIC_URL: "https://b" }, "http://a"],
    [["--host", "192.0.2.1", "--port", "80"], {}, "http://192.0.2.1:80"],
    [["--host", "::1"], {}, "http://[::1]:8787"],
  ])("know how it is reached: %j %j", (args, environment, publicUrl) => {
    expect(parseSelfhostOptions(args, environment)).toMatchObject({ value: { publicUrl } });
  });

  it.each([
    [["--host", "0.0.0.0"], "--host 0.0.0.0 needs --public-url"],
    [["--host", "::"], "--host :: needs --public-url"],
    [["--host", "localhost"], "--host must be an address"],
    [["--port", "0"], "--port must be a port between 1 and 65535"],
    [["--port", "http"], "--port must be a port"],
    [["--state-dir", ""], "--state-dir must name a folder"],
    [["--public-url", "kerbside.example"], "--public-url must be a URL"],
    [["--public-url", "ftp://kerbside.example"], "--public-url must be a URL"],
    [["--public-url", "https://kerbside.example/path"], "--public-url must be a URL"],
    [["--public-url", "https://user@kerbside.example"], "--public-url must be a URL"],
    [["--colour"], "Unknown option '--colour'"],
  ])("refuse %j", (args, sentence) => {
    expect(parseSelfhostOptions(args, {})).toEqual({
      ok: false,
      error: expect.stringContaining(sentence),
    });
  });

  it("name the setting where it is the environment's, and repeat no password", () => {
    const refused = parseSelfhostOptions([], { PUBLIC_URL: "https://me:hush@kerbside.example" });
    expect(refused).toEqual({ ok: false, error: expect.stringContaining("PUBLIC_URL must be") });
    expect(JSON.stringify(refused)).not.toContain("hush");
  });

  it("tell which settings are taken from the environment", () => {
    expect(USAGE).toContain("KERBSIDE_WEB_ORIGINS");
    expect(USAGE).toContain("KERBSIDE_OUTBOUND_CA_FILE");
    expect(USAGE.split("\n").filter((line) => line.length > 100)).toEqual([]);
  });
});
