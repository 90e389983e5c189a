import { writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import {
  OUTBOUND_CA_FILE,
  readOutboundCertificates,
} from "../../../worker/dev/outbound-certificates.ts";
import { makeCa, makeServerCertificate } from "../../harness/certificates.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

/** Reads a file with this text as the setting names it. */
async function read(text: string) {
  await using folder = await makeTempFolder();
  const file = folder.file("authorities.pem");
  await writeFile(file, text);
  return readOutboundCertificates({ [OUTBOUND_CA_FILE]: file });
}

describe("the authorities that outgoing connections trust", () => {
  it.each([{}, { [OUTBOUND_CA_FILE]: "" }])(
    "are none unless a file is named: %j",
    (environment) => {
      expect(readOutboundCertificates(environment)).toBeNull();
    },
  );

  it("are each certificate of the file, with text between them", async () => {
    const [one, other] = [await makeCa("One"), await makeCa("Other")];
    const bundle = `# One\n${one.certificatePem}\n\n# Other\n${other.certificatePem}`;
    const { certificates } = (await read(bundle)) ?? { certificates: [] };
    expect(certificates).toEqual([one.certificatePem, other.certificatePem]);
  });

  it("cannot be a file that is missing, empty or broken", async () => {
    const missing = { [OUTBOUND_CA_FILE]: "/nonexistent/ca.pem" };
    expect(() => readOutboundCertificates(missing)).toThrow(
      "KERBSIDE_OUTBOUND_CA_FILE: /nonexistent/ca.pem cannot be read (ENOENT).",
    );
    await expect(read("")).rejects.toThrow(/holds no certificate in PEM form/);
    await expect(
      read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
    ).rejects.toThrow(/certificate 1 of .* cannot be read/);
  });

  it("cannot be a server's own certificate, which would be trusted for nothing", async () => {
    await using folder = await makeTempFolder();
    const { certificatePem } = await makeServerCertificate(folder.path);
    await expect(read(certificatePem)).rejects.toThrow(/certificate 1 of .* is no authority's/);
  });
});
