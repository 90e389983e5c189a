/**
 * The host subject: the certificate subject that a SPICE server must have, as `.vv` files, QEMU and
 * oVirt write it ("C=AU,O=Example\, Inc,CN=host"). It replaces the check of the host name, so all
 * here fails closed. The rules are those of spice-common's ssl_verify and of OpenSSL's comparison
 * of names, which it uses.
 */

/** One attribute of a subject, such as ["CN", "host"]. */
export type SubjectEntry = readonly [type: string, value: string];

/**
 * The attributes in order, or null when the text is malformed. A backslash may escape only a
 * backslash or a comma; blanks before a type are skipped; one comma may end the text; empty values
 * and attributes without "=" are malformed. So is an empty text: it would pin nothing.
 */
export function parseHostSubject(text: string): SubjectEntry[] | null {
  const entries: SubjectEntry[] = [];
  for (const part of splitUnescaped(text) ?? []) {
    const equals = part.indexOf("=");
    const type = part.slice(0, Math.max(equals, 0)).replace(/^ +/, "");
    const value = unescapePart(part.slice(equals + 1));
    if (equals < 0 || !TYPE_PATTERN.test(type) || value === "") {
      return null;
    }
    entries.push([type, value]);
  }
  return entries.length === 0 ? null : entries;
}

/** The text that {@link parseHostSubject} reads as these attributes. */
export function writeHostSubject(entries: readonly SubjectEntry[]): string {
  return entries
    .map(([type, value]) => `${type}=${value.replaceAll(/[\\,]/g, (special) => `\\${special}`)}`)
    .join(",");
}

/**
 * Whether a certificate's subject is the wanted one: as many attributes, in the same order, of the
 * same types, and values that differ at most in ASCII case and in blanks at the ends or repeated
 * within. False when `wanted` is malformed. `actual` holds one entry for each attribute that stands
 * alone; a subject with several attributes in one set must not be flattened into it.
 */
export function matchesSubject(wanted: string, actual: readonly SubjectEntry[]): boolean {
  const entries = parseHostSubject(wanted);
  return (
    entries !== null &&
    entries.length === actual.length &&
    entries.every(([type, value], index) => {
      const [actualType, actualValue] = actual[index] ?? [];
      return (
        actualType !== undefined &&
        actualValue !== undefined &&
        canonicalType(type) === canonicalType(actualType) &&
        canonicalValue(value) === canonicalValue(actualValue)
      );
    })
  );
}

/** The parts between commas that no backslash escapes, still escaped; null for a bad escape. */
function splitUnescaped(text: string): string[] | null {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\\") {
      at += 1;
      if (text[at] !== "\\" && text[at] !== ",") {
        return null;
      }
    } else if (text[at] === ",") {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  const last = text.slice(start);
  // After a closing comma nothing but blanks may follow.
  return /^ *$/.test(last) ? parts : [...parts, last];
}

function unescapePart(part: string): string {
  return part.replaceAll(/\\(.)/gsu, "$1");
}

/** The short name of a type, so that CN, commonName and 2.5.4.3 are one. */
function canonicalType(type: string): string {
  return TYPE_ALIASES.find((names) => names.includes(type))?.[0] ?? type;
}

/** OpenSSL's canonical form: ASCII case and ASCII blanks do not count, everything else does. */
function canonicalValue(value: string): string {
  return value
    .replaceAll(/[ \t\n\v\f\r]+/g, " ")
    .replaceAll(/^ | $/g, "")
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** A name that OpenSSL could know, or a dotted number. */
const TYPE_PATTERN = /^(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)$/;

/** Attribute types by OpenSSL's short name, its long name and their number (X.520, RFC 4519). */
const TYPE_ALIASES: readonly (readonly string[])[] = [
  ["CN", "commonName", "2.5.4.3"],
  ["SN", "surname", "2.5.4.4"],
  ["serialNumber", "2.5.4.5"],
  ["C", "countryName", "2.5.4.6"],
  ["L", "localityName", "2.5.4.7"],
  ["ST", "stateOrProvinceName", "2.5.4.8"],
  ["street", "streetAddress", "2.5.4.9"],
  ["O", "organizationName", "2.5.4.10"],
  ["OU", "organizationalUnitName", "2.5.4.11"],
  ["title", "2.5.4.12"],
  ["GN", "givenName", "2.5.4.42"],
  ["dnQualifier", "2.5.4.46"],
  ["UID", "userId", "0.9.2342.19200300.100.1.1"],
  ["DC", "domainComponent", "0.9.2342.19200300.100.1.25"],
  ["emailAddress", "1.2.840.113549.1.9.1"],
];
