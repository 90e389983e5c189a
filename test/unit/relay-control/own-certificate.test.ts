/** An operator's certificate: read with care, reported before it is shown, replaced while running. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { RelayAnswer, RelayRequest, RequestFailure } from "#shared/control/relay-requests.ts";
import {
  type OwnCertificateFiles,
  readOwnCertificate,
} from "../../../relay/control/own-certificate.ts";
import { OwnCertificateWatch } from "../../../relay/control/own-certificate-watch.ts";
import type { TlsIdentity } from "../../../relay/listen/tls-settings.ts";
import { makeServerCertificate, type ServerCertificate } from "../../harness/certificates.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import { keepingLog } from "./memory-disk.ts";

const filesOf = (
  made: ServerCertificate,
  ca: string | null = made.caFile,
): OwnCertificateFiles => ({
  certificate: made.certificateFile,
  key: made.keyFile,
  ca,
});

async function read(files: OwnCertificateFiles) {
  const own = await readOwnCertificate(files);
  if (!own.ok) {
    throw new Error(own.error);
  }
  return own.value;
}

describe("an operator's certificate", () => {
  it("is the chain and its key, with the authority that clients are to trust", async () => {
    await using folder = await makeTempFolder();
    const made = await makeServerCertificate(folder.file("own"));
    const own = await read(filesOf(made));
    expect(own.report).toEqual({
      chain: `${made.certificatePem}\n`,
      ca: readFileSync(made.caFile, "utf8"),
    });
    expect(own.tls).toEqual({ cert: own.report.chain, key: `${made.keyPem}\n` });
    expect((await read(filesOf(made, "public"))).report.ca).toBeNull();
  });

  it("brings its authority along when its file ends with the root", async () => {
    await using folder = await makeTempFolder();
    const made = await makeServerCertificate(folder.file("own"));
    const root = readFileSync(made.caFile, "utf8").trim();
    writeFileSync(made.certificateFile, `${made.certificatePem}\n${root}\n`);
    expect((await read(filesOf(made, null))).report.ca).toBe(root);
  });

  it.each<
    [
      string,
      (made: ServerCertificate, other: ServerCertificate) => Partial<OwnCertificateFiles>,
      RegExp,
    ]
  >([
    ["no root and nobody names one", () => ({ ca: null }), /does not end with its root/],
    ["another one's key", (_made, other) => ({ key: other.keyFile }), /is not the key of/],
    ["a key that is none", (made) => ({ key: made.caFile }), /not a private key in PEM/],
    ["a certificate that is none", (made) => ({ certificate: made.keyFile }), /not a certificate/],
    ["an authority that is none", (made) => ({ ca: made.keyFile }), /holds no certificate in PEM/],
    ["a file that is missing", () => ({ key: "/none/key.pem" }), /key.pem cannot be read: it does/],
  ])("is refused in a sentence when it has %s", async (_name, spoil, sentence) => {
    await using folder = await makeTempFolder();
    const [made, other] = await Promise.all([
      makeServerCertificate(folder.file("own")),
      makeServerCertificate(folder.file("other")),
    ]);
    const judged = await readOwnCertificate({ ...filesOf(made), ...spoil(made, other) });
    expect(judged).toMatchObject({ ok: false, error: expect.stringMatching(sentence) });
    expect(JSON.stringify(judged)).not.toContain("BEGIN");
  });

  it("is refused when it is larger than a message and a console file can hold", async () => {
    await using folder = await makeTempFolder();
    const made = await makeServerCertificate(folder.file("own"));
    writeFileSync(made.certificateFile, `${made.certificatePem}\n`.repeat(60));
    expect(await readOwnCertificate(filesOf(made))).toMatchObject({
      error: expect.stringContaining("32 KiB"),
    });
  });
});

/** A watch over files of its own, and a control plane that answers as the test says. */
class Bench {
  readonly log = keepingLog();
  readonly events: string[] = [];
  shown: TlsIdentity | null = null;
  answer: Result<RelayAnswer, RequestFailure> = ok({ kind: "done" });
  readonly watch: OwnCertificateWatch;
  readonly files: OwnCertificateFiles;
  readonly #folder: TempFolder;

  private constructor(
    folder: TempFolder,
    files: OwnCertificateFiles,
    own: Awaited<ReturnType<typeof read>>,
  ) {
    this.#folder = folder;
    this.files = files;
    this.watch = new OwnCertificateWatch({
      files,
      shown: own,
      ask: async (request: RelayRequest) => {
        this.events.push(request.kind);
        return this.answer;
      },
      show: (tls) => {
        this.events.push("shown");
        this.shown = tls;
      },
      log: this.log,
    });
  }

  static async start(folder: TempFolder): Promise<Bench> {
    const files = filesOf(await makeServerCertificate(folder.file("own")));
    return new Bench(folder, files, await read(files));
  }

  /** Another certificate in the same files, as whoever renews it leaves them. */
  async replaceFiles(): Promise<ServerCertificate> {
    return await makeServerCertificate(this.#folder.file("own"));
  }
}

describe("an operator's certificate that is replaced", () => {
  it("is reported first and shown then; the next hello tells of it", async () => {
    await using folder = await makeTempFolder();
    const bench = await Bench.start(folder);
    await bench.watch.tick();
    expect(bench.events).toEqual([]);
    const made = await bench.replaceFiles();
    await bench.watch.tick();
    await bench.watch.tick();
    expect(bench.events).toEqual(["report-certificate", "shown"]);
    expect(bench.shown?.cert).toBe(`${made.certificatePem}\n`);
    expect(bench.watch.report.chain).toBe(`${made.certificatePem}\n`);
    expect(bench.log.names()).toEqual(["certificate.replaced"]);
  });

  it("is shown without a link too, because the one before may end", async () => {
    await using folder = await makeTempFolder();
    const bench = await Bench.start(folder);
    bench.answer = fail({ code: "control.offline", detail: "" });
    await bench.replaceFiles();
    await bench.watch.tick();
    expect(bench.events).toEqual(["report-certificate", "shown"]);
    expect(bench.watch.problem).toBeNull();
  });

  it("is not shown when the control plane cannot name it; the one before goes on", async () => {
    await using folder = await makeTempFolder();
    const bench = await Bench.start(folder);
    const before = bench.watch.report;
    const detail = "it does not name relay.example";
    bench.answer = fail({ code: "relay.certificate-unusable", detail });
    await bench.replaceFiles();
    await bench.watch.tick();
    await bench.watch.tick();
    expect(bench.events).toEqual(["report-certificate"]);
    expect([bench.watch.report, bench.watch.problem]).toEqual([before, detail]);
    expect(bench.log.names()).toEqual(["certificate.refused"]);
    bench.answer = ok({ kind: "done" });
    await bench.replaceFiles();
    await bench.watch.tick();
    expect([bench.events.at(-1), bench.watch.problem]).toEqual(["shown", null]);
  });

  it("half-way is told of once, and used when its key has come too", async () => {
    await using folder = await makeTempFolder();
    const bench = await Bench.start(folder);
    const oldKey = readFileSync(bench.files.key, "utf8");
    await bench.replaceFiles();
    const newKey = readFileSync(bench.files.key, "utf8");
    writeFileSync(bench.files.key, oldKey);
    await bench.watch.tick();
    await bench.watch.tick();
    expect(bench.events).toEqual([]);
    expect(bench.log.names()).toEqual(["certificate.unusable"]);
    expect(bench.watch.problem).toContain("is not the key of");
    writeFileSync(bench.files.key, newKey);
    await bench.watch.tick();
    expect(bench.events).toEqual(["report-certificate", "shown"]);
  });

  it("keeps what a welcome said against it until another one is good", async () => {
    await using folder = await makeTempFolder();
    const bench = await Bench.start(folder);
    bench.watch.judged({ detail: "it ended" });
    expect(bench.watch.problem).toBe("it ended");
    bench.watch.judged(null);
    expect(bench.watch.problem).toBeNull();
  });
});
