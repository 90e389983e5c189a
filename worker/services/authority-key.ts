/**
 * The key of the certificate authority. The setting CA_KEY brings it in once; from then on it is
 * sealed in the database, and the setting may be taken away. Each authority has a row of its own, so
 * that one which is named first again finds its key.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { ERRORS, type Failure } from "#shared/errors/catalogue.ts";
import { findSealedAuthorityKey, storeAuthorityKey } from "../repositories/authority-keys.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import { type CertificateAuthority, identifyAuthority, isKeyOf } from "./certificate-authority.ts";
import type { ServiceContext } from "./context.ts";
import { sealSecret, unsealSecret } from "./secrets.ts";

/** What the authority's key needs of a service's context. */
export type AuthorityContext = Pick<ServiceContext, "database" | "nowMs" | "randomBytes"> & {
  readonly settings: Pick<ServiceContext["settings"], "secretsKeys" | "caCertificate" | "caKey">;
};

/** The authority that signs now. Fails with `authority.key-missing` or `authority.key-unreadable`. */
export async function readAuthority(
  context: AuthorityContext,
): Promise<Result<CertificateAuthority, Failure>> {
  const { database, settings } = context;
  const { caCertificate } = settings;
  const id = await identifyAuthority(caCertificate);
  const place = { column: "authority_keys.sealed_private_key", rowId: id } as const;
  const before = await findSealedAuthorityKey(database, id);
  const stored = before === null ? null : await unsealSecret(context, place, before);
  if (stored !== null) {
    return ok({ caCertificate, caKey: stored });
  }
  const { caKey } = settings;
  if (caKey === null) {
    const code = before === null ? "authority.key-missing" : "authority.key-unreadable";
    return fail({ code, detail: "" });
  }
  if (!(await isKeyOf(caCertificate, caKey))) {
    return fail({ code: "authority.key-missing", detail: WRONG_KEY });
  }
  const sealedPrivateKey = await sealSecret(context, place, caKey);
  const event = { type: "authority.key-stored", data: { authority: id } } as const;
  await storeAuthorityKey(
    database,
    { id, sealedPrivateKey, createdAtMs: context.nowMs(), before },
    auditRecord(context, SYSTEM_CALLER, event),
  );
  return ok({ caCertificate, caKey });
}

/** The job: takes the key in before it is needed, so that CA_KEY need not stay in the settings. */
export async function keepAuthorityKey(context: AuthorityContext): Promise<void> {
  const read = await readAuthority(context);
  if (!read.ok) {
    throw new Error(ERRORS[read.error.code].hint);
  }
}

const WRONG_KEY = "CA_KEY is not the key of the first certificate in CA_CERTIFICATE.";
