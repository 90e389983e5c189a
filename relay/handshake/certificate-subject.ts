/**
 * Reads the subject out of a certificate's DER (RFC 5280, section 4.1), attribute by attribute in
 * its own order, which Node's object form loses. The certificate was verified before; still, what
 * is not understood yields null, and the caller refuses.
 */
import type { SubjectEntry } from "#shared/spice/host-subject.ts";

/**
 * The subject's attributes with their types as dotted numbers. Null when the DER is broken, a value
 * is of an unknown string type, or a set holds more than one attribute (which must not be
 * flattened into a list).
 */
export function certificateSubject(der: Uint8Array): SubjectEntry[] | null {
  try {
    const certificate = readOne(der, SEQUENCE);
    const fields = readAll(readOne(certificate, SEQUENCE, "first"));
    // The version, [0], may be absent; then come serial, algorithm, issuer, validity, subject.
    const subject = fields[fields[0]?.tag === VERSION_TAG ? 5 : 4];
    if (subject?.tag !== SEQUENCE) {
      return null;
    }
    return readAll(subject.content).map(readAttribute);
  } catch (error) {
    if (error instanceof DerError) {
      return null;
    }
    throw error;
  }
}

interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
}

class DerError extends Error {
  override readonly name = "DerError";
}

function readAttribute(set: DerValue): SubjectEntry {
  if (set.tag !== SET) {
    throw new DerError("not a set");
  }
  const [type, value, ...rest] = readAll(readOne(set.content, SEQUENCE));
  if (type?.tag !== OBJECT_IDENTIFIER || value === undefined || rest.length > 0) {
    throw new DerError("not an attribute");
  }
  return [readObjectIdentifier(type.content), readText(value)];
}

/** The content of the one value there is (or of the first), which has to have that tag. */
function readOne(der: Uint8Array, tag: number, which: "only" | "first" = "only"): Uint8Array {
  const [value, ...rest] = readAll(der);
  if (value?.tag !== tag || (which === "only" && rest.length > 0)) {
    throw new DerError(`expected one value with tag ${tag}`);
  }
  return value.content;
}

function readAll(der: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  let at = 0;
  while (at < der.length) {
    const { lengthBytes, contentBytes } = readLength(der, at + 1);
    const start = at + 1 + lengthBytes;
    const end = start + contentBytes;
    if (end > der.length) {
      throw new DerError("a value ends beyond its container");
    }
    values.push({ tag: der[at] ?? 0, content: der.subarray(start, end) });
    at = end;
  }
  return values;
}

function readLength(
  der: Uint8Array,
  at: number,
): { readonly lengthBytes: number; readonly contentBytes: number } {
  const first = der[at];
  if (first === undefined) {
    throw new DerError("a length is missing");
  }
  if (first < LONG_FORM) {
    return { lengthBytes: 1, contentBytes: first };
  }
  const count = first - LONG_FORM;
  if (count === 0 || count > LENGTH_BYTES_MAX || at + count >= der.length) {
    throw new DerError("a length is unlawful");
  }
  let contentBytes = 0;
  for (const byte of der.subarray(at + 1, at + 1 + count)) {
    contentBytes = contentBytes * 256 + byte;
  }
  return { lengthBytes: 1 + count, contentBytes };
}

function readObjectIdentifier(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const [joined, ...others] = arcs;
  if (joined === undefined || (content.at(-1) ?? 0x80) >= 0x80) {
    throw new DerError("an object identifier is cut");
  }
  // X.690, 8.19.4: the first two arcs share a number, and the first arc is at most 2.
  const first = Math.min(Math.floor(joined / 40), 2);
  return [first, joined - first * 40, ...others].join(".");
}

function readText(value: DerValue): string {
  const encoding = STRING_ENCODINGS[value.tag];
  if (encoding === undefined) {
    throw new DerError(`string type ${value.tag} is unknown`);
  }
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(value.content);
  } catch {
    throw new DerError("a string is malformed");
  }
}

const SEQUENCE = 0x30;
const SET = 0x31;
const OBJECT_IDENTIFIER = 0x06;
const VERSION_TAG = 0xa0;
const LONG_FORM = 0x80;
const LENGTH_BYTES_MAX = 3;
/** UTF8, Numeric, Printable, Teletex, IA5, Visible and BMP strings (X.680). */
const STRING_ENCODINGS: Readonly<Record<number, string>> = {
  0x0c: "utf-8",
  0x12: "utf-8",
  0x13: "utf-8",
  0x14: "latin1",
  0x16: "utf-8",
  0x1a: "utf-8",
  0x1e: "utf-16be",
};
