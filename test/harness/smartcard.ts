/** A smartcard in software: three certificates in an NSS database, which spice-gtk makes a card of. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runToEnd } from "./child-process.ts";

export interface SoftwareCard {
  readonly database: string;
  readonly certificates: readonly string[];
}

/** Makes the database in `folder`. @throws Error with certutil's words */
export async function makeSoftwareCard(folder: string): Promise<SoftwareCard> {
  await mkdir(folder, { recursive: true });
  const noise = join(folder, "noise");
  await writeFile(noise, randomBytes(64));
  await certutil(["-N", "-d", `sql:${folder}`, "--empty-password"]);
  for (const [index, name] of CERTIFICATES.entries()) {
    await certutil([
      ...["-S", "-d", `sql:${folder}`, "-n", name, "-s", `CN=${name}`, "-x"],
      ...["-t", "CTu,CTu,CTu", "-k", "ec", "-q", "nistp256"],
      ...["-z", noise, "-m", String(index + 1)],
    ]);
  }
  return { database: folder, certificates: CERTIFICATES };
}

async function certutil(args: readonly string[]): Promise<void> {
  const done = await runToEnd({ command: "certutil", args });
  if (done.code !== 0) {
    throw new Error(`certutil ${args.join(" ")}: ${done.stderr}`);
  }
}

/** The three of a Common Access Card: identity, signature, encryption. */
const CERTIFICATES = ["card-identity", "card-signature", "card-encryption"] as const;
