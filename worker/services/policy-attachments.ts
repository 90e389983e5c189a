/** What policies are attached to: everyone, a console, a source, a group or a user. */
import { unreachable } from "#shared/base/assert.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import {
  attachPolicy as attachRow,
  type Attachment,
  type AttachedSubject,
  type AttachmentFilter,
  detachPolicy as detachRow,
  listAttachments,
} from "../repositories/policy-attachments.ts";
import { findSourceId } from "../repositories/sources.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { cutPage, withOneMore } from "./page.ts";
import { findPolicyWarnings, type PolicyWarning } from "./policy-warnings.ts";
import { readPolicy } from "./stored-policy.ts";

export type AttachmentView = Attachment;

/** An attachment that is stored, and what of its policy no relay that is online can keep. */
export interface StoredAttachment {
  readonly attachment: Attachment;
  readonly isNew: boolean;
  readonly warnings: readonly PolicyWarning[];
}

/** A page of the attachments. */
export async function pageAttachments(
  context: ServiceContext,
  page: {
    readonly filter: AttachmentFilter;
    readonly afterId: string | null;
    readonly limit: number;
  },
): Promise<{ readonly items: Attachment[]; readonly nextId: string | null }> {
  const rows = await listAttachments(context.database, withOneMore(page));
  const { items, last } = cutPage(rows, page.limit);
  return { items, nextId: last?.id ?? null };
}

/**
 * Attaching once more changes nothing. A source may also be named by its name, which is how
 * everything else names it. Fails with `request.invalid` and the field.
 */
export async function attachPolicy(
  context: ServiceContext,
  caller: Caller,
  wish: AttachedSubject & { readonly policyId: string },
): Promise<Result<StoredAttachment, FieldFailure>> {
  const row = {
    id: newId("attachment", context.randomBytes),
    ...wish,
    subjectId: await findSubjectId(context, wish),
    createdAtMs: context.nowMs(),
  };
  const attaching = { row, perSubjectMax: POLICIES_PER_SUBJECT_MAX };
  const attached = await attachRow(context.database, attaching, (attachment) =>
    record(context, caller, { type: "policy.attached", attachment }),
  );
  switch (attached.outcome) {
    case "attached":
    case "already": {
      const { attachment, rules, outcome } = attached;
      const warnings = await findPolicyWarnings(context, readPolicy(rules));
      return ok({ attachment, isNew: outcome === "attached", warnings });
    }
    case "no-policy":
      return fail(invalidField("policyId", "there is no policy of that id"));
    case "no-subject":
      return fail(invalidField("subjectId", `there is no ${wish.kind} of that id`));
    case "too-many": {
      const message = `it has ${POLICIES_PER_SUBJECT_MAX} policies already, and can have no more`;
      return fail(invalidField("subjectId", message));
    }
    default:
      return unreachable(attached);
  }
}

/** Fails with `resource.not-found`. */
export async function detachPolicy(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const detached = await detachRow(context.database, id, (attachment) =>
    record(context, caller, { type: "policy.detached", attachment }),
  );
  return detached ? ok(null) : fail({ code: "resource.not-found", detail: "" });
}

async function findSubjectId(
  { database }: ServiceContext,
  { kind, subjectId }: AttachedSubject,
): Promise<string> {
  return kind === "source" ? ((await findSourceId(database, subjectId)) ?? subjectId) : subjectId;
}

function record(
  context: ServiceContext,
  caller: Caller,
  change: {
    readonly type: "policy.attached" | "policy.detached";
    readonly attachment: Attachment;
  },
) {
  const { policyId, policyName: name, kind, subjectId, subjectName } = change.attachment;
  const data = { policyId, name, kind, subjectId, subject: subjectName ?? "" };
  const subjects = kind === "console" ? { consoleId: subjectId } : {};
  return auditRecord(context, caller, { type: change.type, data }, subjects);
}

/** All that apply are read for every ticket. */
const POLICIES_PER_SUBJECT_MAX = 16;
