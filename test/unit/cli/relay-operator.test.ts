/** `kerbside relay status|drain|resume` against the operator's socket of a relay. */
import { chmodSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { fail, ok } from "#shared/base/result.ts";
import { runKerbside } from "../../../relay/cli/kerbside.ts";
import { startOperatorServer } from "../../../relay/operator/operator-server.ts";
import {
  operatorSocketPath,
  relayStatusSchema,
  type RelayStatus,
} from "../../../relay/operator/relay-status.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";

const STATUS: RelayStatus = {
  relayId: "rly_1",
  name: "syd1",
  version: "1.2.3",
  pid: 4711,
  status: "serving",
  drain: null,
  ordered: null,
  ports: { tls: 5900, plain: null, connect: 3128, health: 9090 },
  fingerprint: "SHA256:abc",
  certificate: { kind: "own", endsAtMs: 1_000, problem: null },
  linked: true,
  controlVersion: 2,
  refusal: null,
  denials: { count: 0, revision: 0 },
  sessions: 2,
  channels: 7,
  connections: 9,
  workers: [
    { name: "worker-0-1", pid: 4712, isReady: true, connections: 9 },
    { name: "worker-1", pid: null, isReady: false, connections: 0 },
  ],
};

/** A relay that loses one session each time its status is asked while it drains. */
class FakeRelay implements Disposable {
  readonly drains: number[] = [];
  readonly path: string;
  status = { ...STATUS };
  /** Why it does not change its key. */
  refusal: string | null = null;
  #close = (): void => {};

  constructor(folder: TempFolder) {
    const path = operatorSocketPath(folder.path);
    if (!path.ok) {
      throw new Error(path.error);
    }
    this.path = path.value;
  }

  async listen(): Promise<this> {
    this.#close = await startOperatorServer({
      path: this.path,
      status: () => {
        const now = { ...this.status };
        if (now.status === "draining") {
          this.status.sessions = Math.max(0, now.sessions - 1);
        }
        return now;
      },
      drain: (deadlineMs) => {
        this.drains.push(deadlineMs);
        this.status.status = "draining";
      },
      resume: () => {
        this.status.status = "serving";
      },
      rotateKey: () => {
        const { refusal } = this;
        this.status.fingerprint = refusal === null ? "SHA256:new" : this.status.fingerprint;
        return Promise.resolve(refusal === null ? ok("SHA256:new") : fail(refusal));
      },
    });
    return this;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

async function kerbside(...args: string[]) {
  let printed = "";
  let noted = "";
  const code = await runKerbside(args, {
    environment: {
      loginFile: "/nonexistent",
      url: null,
      password: null,
      searchPath: [],
      hasDisplay: false,
    },
    print: (text) => void (printed += text),
    note: (text) => void (noted += text),
    untilInterrupted: () => new AbortController().signal,
  });
  return { code, printed, noted };
}

describe("kerbside relay status", () => {
  it("prints what the relay does, for people and for programs", async () => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const { code, printed } = await kerbside("relay", "status", "--state-dir", folder.path);
    expect(code).toBe(0);
    for (const text of [
      ...["syd1 (rly_1)", "serving\n", "linked", "2", "7", "process 4712, 9", "starting"],
      "ports        tls 5900, connect 3128, health 9090\n",
      "key          SHA256:abc\n",
      "certificate  the operator's own, ends at 1970-01-01T00:00:01.000Z\n",
    ]) {
      expect(printed).toContain(text);
    }
    const json = await kerbside("relay", "status", "--state-dir", folder.path, "--json");
    expect(JSON.parse(json.printed)).toEqual(STATUS);
    expect(statSync(relay.path).mode & 0o777).toBe(0o600);
  });

  it("says until when it drains, and what is then", async () => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const ask = async (isEnding: boolean): Promise<string> => {
      relay.status = { ...STATUS, status: "draining", drain: { endsAtMs: 1_000, isEnding } };
      return (await kerbside("relay", "status", "--state-dir", folder.path)).printed;
    };
    const until = "draining: sessions end at 1970-01-01T00:00:01.000Z at the latest";
    expect(await ask(false)).toContain(`${until}, by its operator\n`);
    expect(await ask(true)).toContain(`${until}, then the relay ends, as a signal told it\n`);
  });

  it("understands a relay of an older version, which tells less", () => {
    const { name: _name, drain: _drain, ports: _ports, ...others } = STATUS;
    const { fingerprint: _fingerprint, certificate: _certificate, ...older } = others;
    const untold = { name: null, ports: null, fingerprint: null, certificate: null };
    expect(relayStatusSchema.parse(older)).toEqual({ ...STATUS, ...untold });
  });

  it("says what is wrong with the certificate", async () => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const certificate = { kind: "issued" as const, endsAtMs: 0, problem: "it is odd" };
    relay.status = { ...STATUS, certificate };
    const { printed } = await kerbside("relay", "status", "--state-dir", folder.path);
    expect(printed).toContain("signed by the control plane, ends at 1970-01-01T00:00:00.000Z\n");
    expect(printed).toContain("             not in order: it is odd\n");
  });

  it("says in a sentence that no relay runs there", async () => {
    await using folder = await makeTempFolder();
    const none = await kerbside("relay", "status", "--state-dir", folder.path);
    expect(none).toEqual({
      code: 1,
      printed: "",
      noted: `No relay runs with the state folder ${folder.path}.\n`,
    });
    using relay = new FakeRelay(folder);
    // What a killed relay leaves is no relay either.
    writeFileSync(relay.path, "");
    chmodSync(relay.path, 0o600);
    expect((await kerbside("relay", "status", "--state-dir", folder.path)).code).toBe(1);
    await relay.listen();
    expect((await kerbside("relay", "status", "--state-dir", folder.path)).code).toBe(0);
  });

  it("says that a state folder's name is too long for a socket", async () => {
    const folder = `/tmp/${"x".repeat(100)}`;
    const { code, noted } = await kerbside("relay", "status", "--state-dir", folder);
    expect(code).toBe(1);
    expect(noted).toContain("use a state folder with a shorter name");
  });
});

describe("kerbside relay drain and resume", () => {
  it("waits until the relay is empty, with an hour's deadline", async () => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const { code, printed } = await kerbside("relay", "drain", "--state-dir", folder.path);
    expect([code, printed]).toEqual([0, "The relay is empty.\n"]);
    expect(relay.drains).toEqual([3_600_000]);
  });

  it("does not wait when it is not wanted, and passes the deadline on", async () => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const args = ["--state-dir", folder.path, "--deadline", "5", "--no-wait"];
    const { code, printed, noted } = await kerbside("relay", "drain", ...args);
    expect([code, printed]).toEqual([0, ""]);
    expect(noted).toContain("2 go on");
    expect(relay.drains).toEqual([5_000]);
    expect((await kerbside("relay", "resume", "--state-dir", folder.path)).code).toBe(0);
    expect(relay.status.status).toBe("serving");
  });

  it.each([["-1"], ["86401"], ["soon"], ["1.5"]])("refuses a deadline of %s", async (deadline) => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const args = ["relay", "drain", "--state-dir", folder.path, `--deadline=${deadline}`];
    const { code, noted } = await kerbside(...args);
    expect(code).toBe(2);
    expect(noted).toContain("--deadline must be a number of seconds from 0 to 86400.");
    expect(relay.drains).toEqual([]);
  });

  it("says what is missing", async () => {
    for (const command of ["status", "drain", "resume", "rotate-key"]) {
      const { code, noted } = await kerbside("relay", command);
      expect(code).toBe(2);
      expect(noted).toContain("--state-dir is missing.");
    }
  });
});

describe("kerbside relay rotate-key", () => {
  it("prints the new key's fingerprint, or says why there is none", async () => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const rotate = () => kerbside("relay", "rotate-key", "--state-dir", folder.path);
    expect(await rotate()).toMatchObject({ code: 0, printed: "SHA256:new\n" });
    relay.refusal = "control.offline: not linked";
    expect(await rotate()).toEqual({
      code: 1,
      printed: "",
      noted: "The key was not changed: control.offline: not linked\n",
    });
  });
});

describe("the operator's socket", () => {
  it.each([
    ["GET", "/other", null, 404],
    ["POST", "/drain", "{", 422],
    ["POST", "/drain", '{"deadlineSeconds":-1}', 422],
    ["POST", "/drain", `{"deadlineSeconds":"${"9".repeat(5_000)}"}`, 422],
  ])("refuses %s %s with %s", async (method, path, body, status) => {
    await using folder = await makeTempFolder();
    using relay = await new FakeRelay(folder).listen();
    const answered = await new Promise<number | undefined>((resolve, reject) => {
      request({ socketPath: relay.path, method, path }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end(body ?? undefined);
    });
    expect(answered).toBe(status);
    expect(relay.drains).toEqual([]);
  });
});
