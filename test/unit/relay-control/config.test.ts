/** The relay's flags and environment. */
import { describe, expect, it } from "vitest";
import { readRelayConfig } from "../../../relay/config.ts";

describe("the relay's configuration", () => {
  it("has defaults for all but the state folder", () => {
    expect(readRelayConfig(["--state-dir", "/s"], {})).toEqual({
      ok: true,
      value: {
        kind: "run",
        config: {
          stateDir: "/s",
          listenHost: "0.0.0.0",
          listenPort: null,
          advertiseHost: null,
          advertisePort: null,
          controlUrl: null,
          healthPort: 0,
          logLevel: "info",
        },
      },
    });
  });

  it("takes flags before the environment", () => {
    const environment = {
      KERBSIDE_STATE_DIR: "/env",
      KERBSIDE_LISTEN_HOST: "127.0.0.1",
      KERBSIDE_LISTEN_PORT: "5901",
      KERBSIDE_HEALTH_PORT: "off",
      KERBSIDE_LOG_LEVEL: "debug",
    };
    const read = readRelayConfig(["--listen-port=0", "--log-level", "warn"], environment);
    expect(read).toMatchObject({
      ok: true,
      value: {
        config: {
          stateDir: "/env",
          listenHost: "127.0.0.1",
          listenPort: 0,
          healthPort: null,
          logLevel: "warn",
        },
      },
    });
  });

  it.each([
    [[], "--state-dir (or KERBSIDE_STATE_DIR) is missing: say where the relay's state folder is."],
    [
      ["--state-dir", "/s", "--listen-port", "65536"],
      "--listen-port (or KERBSIDE_LISTEN_PORT) must be a port from 0 to 65535.",
    ],
    [
      ["--state-dir", "/s", "--health-port", "on"],
      "--health-port (or KERBSIDE_HEALTH_PORT) must be a port from 0 to 65535, or off.",
    ],
    [
      ["--state-dir", "/s", "--log-level", "loud"],
      "--log-level (or KERBSIDE_LOG_LEVEL) must be debug, info, warn, error or silent.",
    ],
  ])("says what is wrong with %j", (args, error) => {
    expect(readRelayConfig(args, {})).toEqual({ ok: false, error });
  });

  it("refuses flags that it does not know", () => {
    expect(readRelayConfig(["--bogus"], {})).toMatchObject({
      ok: false,
      error: expect.stringContaining("--bogus"),
    });
  });

  it("helps when asked, whatever else is wrong", () => {
    expect(readRelayConfig(["--help"], {})).toEqual({ ok: true, value: { kind: "help" } });
  });
});
