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
          plainPort: null,
          connectPort: null,
          advertiseConnectPort: null,
          webOrigins: [],
          workers: null,
          connectionsPerSource: null,
          drainSeconds: 30,
          ownCertificate: null,
          rotateKeyDays: 90,
          workerEnvironment: {},
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

  it("takes ports, workers and origins, repeated or in one list", () => {
    const args = ["--state-dir", "/s", "--plain-port", "5930", "--workers", "0"];
    const origins = ["--web-origin", "https://a.example", "--web-origin=https://b.example:8443"];
    const read = readRelayConfig([...args, ...origins], {
      KERBSIDE_CONNECT_PORT: "3128",
      KERBSIDE_ADVERTISE_CONNECT_PORT: "443",
      KERBSIDE_DRAIN_SECONDS: "0",
      KERBSIDE_CONNECTIONS_PER_SOURCE: "6000",
      NODE_EXTRA_CA_CERTS: "/ca.pem",
      KERBSIDE_URL: "https://kerbside.example",
    });
    expect(read).toMatchObject({
      ok: true,
      value: {
        config: {
          plainPort: 5930,
          connectPort: 3128,
          advertiseConnectPort: 443,
          webOrigins: ["https://a.example", "https://b.example:8443"],
          workers: 0,
          connectionsPerSource: 6000,
          drainSeconds: 0,
          workerEnvironment: { NODE_EXTRA_CA_CERTS: "/ca.pem" },
        },
      },
    });
    const listed = readRelayConfig(["--state-dir", "/s"], {
      KERBSIDE_WEB_ORIGIN: "https://a.example, http://localhost:8787",
    });
    expect(listed).toMatchObject({
      value: { config: { webOrigins: ["https://a.example", "http://localhost:8787"] } },
    });
  });

  it.each([
    ["https://a.example/"],
    ["https://a.example/console"],
    ["a.example"],
    ["ftp://a.example"],
    ["https://A.example"],
    ["https://a.example:443"],
    ["https://a.example,*"],
  ])("refuses %s, which no browser sends as an origin", (origin) => {
    expect(readRelayConfig(["--state-dir", "/s", "--web-origin", origin], {})).toEqual({
      ok: false,
      error: "--web-origin (or KERBSIDE_WEB_ORIGIN) must be like https://kerbside.example.",
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
    [
      ["--state-dir", "/s", "--workers", "many"],
      "--workers (or KERBSIDE_WORKERS) must be a number from 0 to 256.",
    ],
    [
      ["--state-dir", "/s", "--connections-per-source", "0"],
      "--connections-per-source (or KERBSIDE_CONNECTIONS_PER_SOURCE) must be a number from 1 to 1000000.",
    ],
    [
      ["--state-dir", "/s", "--drain-seconds", "86401"],
      "--drain-seconds (or KERBSIDE_DRAIN_SECONDS) must be a number from 0 to 86400.",
    ],
    [
      ["--state-dir", "/s", "--workers", "-1"],
      "--workers (or KERBSIDE_WORKERS) must be a number from 0 to 256.",
    ],
    [
      ["--state-dir", "/s", "--advertise-port", "70000"],
      "--advertise-port (or KERBSIDE_ADVERTISE_PORT) must be a port from 1 to 65535.",
    ],
    [
      ["--state-dir", "/s", "--listen-port", "15910", "--connect-port", "15910"],
      "--connect-port and --listen-port are both 15910: give them different ports.",
    ],
    [
      ["--state-dir", "/s", "--plain-port", "9090", "--health-port", "9090"],
      "--health-port and --plain-port are both 9090: give them different ports.",
    ],
  ])("says what is wrong with %j", (args, error) => {
    expect(readRelayConfig(args, {})).toEqual({ ok: false, error });
  });

  it.each([
    [["--bogus"], "Unknown option '--bogus'."],
    [["--bogus."], "Unknown option '--bogus.'."],
    [["--workers", "--help"], "Option '--workers' argument missing."],
    [["--workers"], "Option '--workers <value>' argument missing."],
    [
      ["--state-dir", "/s", "--advertise-connect-port", "443"],
      "--advertise-connect-port tells of a port that only --connect-port opens.",
    ],
  ])("refuses %j, in a sentence", (args, error) => {
    expect(readRelayConfig(args, {})).toEqual({ ok: false, error });
  });

  it("takes any free port for each", () => {
    const ports = ["--listen-port", "0", "--plain-port", "0", "--connect-port", "0"];
    expect(readRelayConfig(["--state-dir", "/s", ...ports], {})).toMatchObject({
      ok: true,
      value: { config: { listenPort: 0, plainPort: 0, connectPort: 0, healthPort: 0 } },
    });
  });

  it("tells its version when asked", () => {
    expect(readRelayConfig(["--version"], {})).toEqual({ ok: true, value: { kind: "version" } });
  });

  it("helps when asked, whatever else is wrong", () => {
    expect(readRelayConfig(["--help"], {})).toEqual({ ok: true, value: { kind: "help" } });
  });
});

describe("an operator's certificate", () => {
  const read = (...args: string[]) => readRelayConfig(["--state-dir", "/s", ...args], {});

  it("is three files, or two", () => {
    const two = ["--certificate", "/c.pem", "--certificate-key", "/k.pem"];
    const files = { certificate: "/c.pem", key: "/k.pem" };
    expect(read(...two)).toMatchObject({
      value: { config: { ownCertificate: { ...files, ca: null } } },
    });
    expect(read(...two, "--certificate-ca", "public")).toMatchObject({
      value: { config: { ownCertificate: { ...files, ca: "public" } } },
    });
  });

  it.each([
    [["--certificate", "/c.pem"], "belong together"],
    [["--certificate-key", "/k.pem"], "belong together"],
    [["--certificate-ca", "/ca.pem"], "belongs to --certificate"],
    [["--certificate", "", "--certificate-key", "/k"], "--certificate (or KERBSIDE_CERTIFICATE)"],
    [["--rotate-key-days", "-1"], "--rotate-key-days (or KERBSIDE_ROTATE_KEY_DAYS)"],
  ])("is refused in part: %j", (args, sentence) => {
    expect(read(...args)).toMatchObject({ ok: false, error: expect.stringContaining(sentence) });
  });
});
