/**
 * Enrolment: a new relay makes its keys, shows a join token once and gets its id and certificate.
 * Nothing is made, written or changed before the control plane has agreed, and an existing identity is never
 * overwritten unless that was asked for.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { fail, ok, type Result } from "#shared/base/result.ts";
import {
  type EnrolAnswer,
  enrolAnswerSchema,
  type EnrolRequest,
  enrolRequestSchema,
} from "#shared/control/enrolment.ts";
import { parseControlUrl, relayLinkUrl } from "./control-url.ts";
import { requestJson } from "./http-json.ts";
import {
  hasIdentity,
  type IdentityRecord,
  STATE_FOLDER_MARKS,
  writeIdentity,
} from "./identity-store.ts";
import { makeRelayKeys } from "./relay-keys.ts";
import { judgeFolder } from "./state-folder.ts";

export interface EnrolmentOptions {
  readonly controlUrl: string;
  readonly joinToken: string;
  /** How people call the relay. */
  readonly name: string;
  /** The name or address that clients dial, and the port. */
  readonly host: string;
  readonly tlsPort: number;
  readonly stateDir: string;
  /** Overwrite an identity that is there already. */
  readonly isReplacing?: boolean;
  readonly deadlineMs?: number;
}

/** The new identity, and how an operator recognises its key in the control plane's audit trail. */
export interface EnrolledRelay extends IdentityRecord {
  readonly fingerprint: string;
}

/** Enrols and writes the state folder; a failure is a sentence for the operator. */
export async function enrolRelay(
  options: EnrolmentOptions,
): Promise<Result<EnrolledRelay, string>> {
  const controlUrl = parseControlUrl(options.controlUrl);
  if (!controlUrl.ok) {
    return controlUrl;
  }
  const { stateDir } = options;
  if (options.isReplacing !== true && (await hasIdentity(stateDir))) {
    return fail(
      `${stateDir} already holds a relay's identity. Choose another folder, or say --replace.`,
    );
  }
  const keys = await makeRelayKeys(options.name);
  const request = enrolRequestSchema.safeParse({
    joinToken: options.joinToken,
    name: options.name,
    host: options.host,
    tlsPort: options.tlsPort,
    publicKey: keys.publicKey,
    csr: keys.csr,
  });
  if (!request.success) {
    const [issue] = request.error.issues;
    return fail(`The relay's ${String(issue?.path[0])} is not valid: ${issue?.message}.`);
  }
  // Before the join token is used up: a folder that cannot be written is found out now.
  const usable = await judgeFolder(stateDir, STATE_FOLDER_MARKS);
  if (!usable.ok) {
    return usable;
  }
  const answer = await askToEnrol(controlUrl.value, request.data, options.deadlineMs);
  if (!answer.ok) {
    return answer;
  }
  if (!isCertificateOf(answer.value, keys.tlsKey)) {
    return fail(
      `${controlUrl.value} answered with a certificate that is not for this relay's key.`,
    );
  }
  const identity: IdentityRecord = {
    format: 1,
    relayId: answer.value.relayId,
    controlUrl: answer.value.controlUrl,
    linkUrl: relayLinkUrl(answer.value.controlUrl),
    name: options.name,
    host: options.host,
    tlsPort: options.tlsPort,
    hostSubject: answer.value.hostSubject,
  };
  const written = await writeIdentity(stateDir, {
    identity,
    identityKey: keys.identityKey,
    tlsKey: keys.tlsKey,
    tlsCertificate: answer.value.certificate,
    ca: answer.value.ca,
  });
  return written.ok ? ok({ ...identity, fingerprint: keys.fingerprint }) : written;
}

async function askToEnrol(
  controlUrl: string,
  request: EnrolRequest,
  deadlineMs: number = ENROLMENT_DEADLINE_MS,
): Promise<Result<EnrolAnswer, string>> {
  const answer = await requestJson(
    { controlUrl, path: "/api/v1/relays/enrol", method: "POST", body: request, deadlineMs },
    enrolAnswerSchema,
  );
  return answer.ok ? answer : fail(answer.error.sentence);
}

/** Whether the certificate holds our key and the CA signed it. */
function isCertificateOf(answer: EnrolAnswer, tlsKey: string): boolean {
  try {
    const certificate = new X509Certificate(answer.certificate);
    const ca = new X509Certificate(answer.ca);
    return (
      certificate.checkPrivateKey(createPrivateKey(tlsKey)) && certificate.verify(ca.publicKey)
    );
  } catch {
    return false;
  }
}

/** Signing a certificate and one transaction; a cold start of the control plane fits. */
const ENROLMENT_DEADLINE_MS = 20_000;
