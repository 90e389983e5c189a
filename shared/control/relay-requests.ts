/**
 * What a linked relay asks the control plane for, and what it is answered: a new certificate, a
 * report of its operator's own one, and the two steps by which it changes its identity key. The
 * link itself proves who asks. Spoken from KEYS_VERSION of the contract on.
 */
import { z } from "zod";
import { ERRORS, type ErrorCode } from "#shared/errors/catalogue.ts";
import { certificateRequestSchema, relayPublicKeySchema } from "./enrolment.ts";

/** A chain of certificates, or the authorities that clients trust: `.vv` files stay below 64 KiB. */
const PEM_CHARACTERS_MAX = 32 * 1024;

/** The certificate of an operator's own that a relay shows to clients. */
export const ownCertificateSchema = z.object({
  /** The relay's certificate and then its issuers, PEM. */
  chain: z.string().min(1).max(PEM_CHARACTERS_MAX),
  /** What clients are to trust, PEM; null: the public authorities that they trust anyway. */
  ca: z.string().min(1).max(PEM_CHARACTERS_MAX).nullable(),
});

export type OwnCertificate = z.infer<typeof ownCertificateSchema>;

/** base64url of an Ed25519 signature. */
const signature = z.string().regex(/^[A-Za-z0-9_-]{86}$/);

export const relayRequestSchema = z.discriminatedUnion("kind", [
  /** Sign a certificate for the address that the relay's hello told. */
  z.object({ kind: z.literal("renew-certificate"), csr: certificateRequestSchema }),
  /** The operator's certificate was replaced by another one. */
  z.object({ kind: z.literal("report-certificate"), certificate: ownCertificateSchema }),
  /** Accept this key too, from now on; the same key may be offered again. */
  z.object({
    kind: z.literal("offer-key"),
    publicKey: relayPublicKeySchema,
    /** Of {@link keyOfferStatement}, by the key in use and by the offered one. */
    oldSignature: signature,
    newSignature: signature,
  }),
  /** A token signed by the offered key, which takes the place of the older one by that. */
  z.object({ kind: z.literal("use-key"), token: z.string().min(1).max(2048) }),
]);

export type RelayRequest = z.infer<typeof relayRequestSchema>;

export const relayAnswerSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("certificate"),
    /** PEM. */
    certificate: z.string(),
    /** The authorities that clients trust, PEM; the first one signed it. */
    ca: z.string(),
    hostSubject: z.string(),
  }),
  z.object({ kind: z.literal("done") }),
]);

export type RelayAnswer = z.infer<typeof relayAnswerSchema>;

/** Why a request was not carried out; a code that is not known here is a bug of the other side's. */
export const requestFailureSchema = z.object({
  code: z.string().transform((code) => (isErrorCode(code) ? code : ("internal.error" as const))),
  detail: z.string().max(1024),
});

export type RequestFailure = z.infer<typeof requestFailureSchema>;

/** What both keys sign when a relay offers a new one: it is of use for this change alone. */
export function keyOfferStatement(offer: {
  /** The control plane's public URL. */
  readonly audience: string;
  readonly relayId: string;
  readonly oldKey: string;
  readonly newKey: string;
}): string {
  return ["kerbside relay key offer v1", offer.audience, offer.relayId, offer.oldKey, offer.newKey]
    .map((part) => part.replaceAll("\n", " "))
    .join("\n");
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
