/** A CA and a server certificate for loopback, made once per test file that asks. */
import { makeCa, type ServerCertificateOptions } from "../certificates.ts";
import { makeTempFolder } from "../temp-folder.ts";

export interface TestIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly hostSubject: string;
}

/** A new CA, and a certificate of it for localhost and 127.0.0.1 unless told otherwise. */
export async function makeIdentity(options: ServerCertificateOptions = {}): Promise<TestIdentity> {
  await using folder = await makeTempFolder();
  const ca = await makeCa();
  const issued = await ca.issue(folder.path, options);
  return {
    cert: issued.certificatePem,
    key: issued.keyPem,
    ca: ca.certificatePem,
    hostSubject: issued.hostSubject,
  };
}
