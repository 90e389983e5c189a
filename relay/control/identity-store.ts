/**
 * A relay's identity on disk: who it is, where its control plane is, its keys and certificate.
 * identity.json is written last and removed first, so that it exists only beside the files that
 * belong to it.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { sayCommand } from "../program.ts";
import type { TlsIdentity } from "../listen/tls-settings.ts";
import {
  identityKeySinceMs,
  KEY_FILES,
  readNextKey,
  readRenewedTls,
  removeChangedKeys,
} from "./key-files.ts";
import { prepareFolder, reasonOf, writeFileAtomically } from "./state-folder.ts";

const identitySchema = z.object({
  format: z.literal(1),
  relayId: z.string().min(1).max(64),
  /** Without a trailing slash; the audience of the relay's tokens. */
  controlUrl: z.string().min(1),
  linkUrl: z.string().min(1),
  name: z.string().min(1),
  /** Where clients reach it. */
  host: z.string().min(1),
  tlsPort: z.int().min(1).max(65_535),
  hostSubject: z.string(),
});

export type IdentityRecord = z.infer<typeof identitySchema>;

/** What enrolment makes and a running relay needs. */
export interface IdentityFiles {
  readonly identity: IdentityRecord;
  /** PKCS 8, PEM. */
  readonly identityKey: string;
  readonly tlsKey: string;
  readonly tlsCertificate: string;
  readonly ca: string;
}

/** An identity that was checked and can be used. */
export interface Identity extends IdentityRecord {
  readonly identityKey: KeyObject;
  /** When it was made, in milliseconds since 1970. */
  readonly identityKeySinceMs: number;
  /** A key that the relay was changing to when it ended. */
  readonly nextIdentityKey: KeyObject | null;
  readonly tls: { readonly cert: string; readonly key: string };
  readonly ca: string;
}

/** Names that tell a relay's state folder from another: the first, middle and last of its life. */
export const STATE_FOLDER_MARKS: readonly string[] = [
  `${KEY_FILES.identityKey}.new`,
  KEY_FILES.identityKey,
  "identity.json",
  "spool.ndjson",
];

/** Reads and checks the identity in a state folder; a failure is a sentence for the operator. */
export async function readIdentity(stateDir: string): Promise<Result<Identity, string>> {
  const texts = await readFiles(stateDir);
  if (!texts.ok) {
    return texts;
  }
  const record = identitySchema.safeParse(parseJson(texts.value.identity));
  if (!record.success) {
    return fail(corrupt(stateDir, FILES.identity));
  }
  const identityKey = readKey(texts.value.identityKey);
  if (identityKey?.asymmetricKeyType !== "ed25519") {
    return fail(corrupt(stateDir, FILES.identityKey));
  }
  const tls = await readTls(stateDir, texts.value);
  if (!tls.ok) {
    return tls;
  }
  const nextIdentityKey = await readNextKey(stateDir);
  if (!nextIdentityKey.ok) {
    return nextIdentityKey;
  }
  return ok({
    ...record.data,
    identityKey,
    identityKeySinceMs: await identityKeySinceMs(stateDir),
    nextIdentityKey: nextIdentityKey.value,
    tls: tls.value,
    ca: texts.value.ca,
  });
}

/** The renewed pair, or that of enrolment. */
async function readTls(
  stateDir: string,
  texts: Record<"tlsKey" | "tlsCertificate", string>,
): Promise<Result<TlsIdentity, string>> {
  const renewed = await readRenewedTls(stateDir);
  if (!renewed.ok) {
    return renewed;
  }
  const tls = renewed.value ?? { cert: texts.tlsCertificate, key: texts.tlsKey };
  const key = readKey(tls.key);
  if (key === null) {
    return fail(corrupt(stateDir, renewed.value === null ? FILES.tlsKey : KEY_FILES.tls));
  }
  if (readCertificate(tls.cert)?.checkPrivateKey(key) !== true) {
    return fail(corrupt(stateDir, renewed.value === null ? FILES.tlsCertificate : KEY_FILES.tls));
  }
  return ok(tls);
}

/** Whether a state folder holds an identity, whole or not. */
export async function hasIdentity(stateDir: string): Promise<boolean> {
  try {
    await readFile(join(stateDir, FILES.identity));
    return true;
  } catch (error) {
    return !["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

/** Writes an identity; killed half-way, it leaves none. */
export async function writeIdentity(
  stateDir: string,
  files: IdentityFiles,
): Promise<Result<null, string>> {
  const prepared = await prepareFolder(stateDir);
  if (!prepared.ok) {
    return prepared;
  }
  const identityPath = join(stateDir, FILES.identity);
  try {
    await rm(identityPath, { force: true });
    await removeChangedKeys(stateDir);
  } catch (error) {
    return fail(`${identityPath} cannot be replaced: ${reasonOf(error)}.`);
  }
  const inOrder: readonly (readonly [name: string, text: string])[] = [
    [FILES.identityKey, files.identityKey],
    [FILES.tlsKey, files.tlsKey],
    [FILES.tlsCertificate, files.tlsCertificate],
    [FILES.ca, files.ca],
    [FILES.identity, `${JSON.stringify(files.identity, null, 2)}\n`],
  ];
  for (const [name, text] of inOrder) {
    const written = await writeFileAtomically(join(stateDir, name), text);
    if (!written.ok) {
      return written;
    }
  }
  return ok(null);
}

async function readFiles(
  stateDir: string,
): Promise<Result<Record<keyof typeof FILES, string>, string>> {
  const texts: Partial<Record<keyof typeof FILES, string>> = {};
  for (const [part, name] of Object.entries(FILES)) {
    const path = join(stateDir, name);
    try {
      texts[part as keyof typeof FILES] = await readFile(path, "utf8");
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (isMissing && part === "identity") {
        return fail(
          `${stateDir} holds no relay identity. Enrol it first: ${sayCommand("relay enrol")}.`,
        );
      }
      return fail(
        isMissing ? corrupt(stateDir, name) : `${path} cannot be read: ${reasonOf(error)}.`,
      );
    }
  }
  return ok(texts as Record<keyof typeof FILES, string>);
}

function corrupt(stateDir: string, name: string): string {
  return (
    `${join(stateDir, name)} is missing or corrupt. Restore the folder, or enrol the relay ` +
    `again: ${sayCommand("relay enrol")} --replace.`
  );
}

function readKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const FILES = {
  identity: "identity.json",
  identityKey: KEY_FILES.identityKey,
  tlsKey: "tls-key.pem",
  tlsCertificate: "tls-certificate.pem",
  ca: KEY_FILES.ca,
} as const;
