/**
 * The console file (`.vv`) that virt-viewer's remote-viewer opens: a GKeyFile with one group,
 * `[virt-viewer]`. Written with a TLS port only, so that one open port is enough, and with every
 * channel secured. Values are escaped so that no value, a console's name above all, can end its
 * line or make another key. It holds the ticket: whoever handles the text must not log it.
 */
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";

/** What differs from console to console. */
export interface VvFields {
  /** The relay's name or address as the client dials it. */
  readonly host: string;
  /** 1 to 65535. */
  readonly tlsPort: number;
  /** The ticket. */
  readonly password: string;
  /** PEM of the authorities that sign relays' certificates; empty: the client's own roots. */
  readonly ca: string;
  /** Subject of the relay's certificate (shared/spice/host-subject); empty: the host's name counts. */
  readonly hostSubject: string;
  /** Text of the window's title. */
  readonly title: string;
  /** An HTTP proxy for the client to go through, such as http://proxy.example:3128. */
  readonly proxy?: string;
}

/** Why a text is not a console file that can be used; `line` counts from 1. */
export type VvProblem =
  | { readonly kind: "too-long"; readonly characters: number; readonly max: number }
  | { readonly kind: "line-malformed"; readonly line: number }
  | { readonly kind: "key-missing"; readonly key: string }
  | { readonly kind: "value-invalid"; readonly key: string };

/** Longest text that is parsed: a CA bundle of some thirty certificates fits. */
export const VV_CHARACTERS_MAX = 64 * 1024;

export const VV_MEDIA_TYPE = "application/x-virt-viewer";

/**
 * The file's text. Characters that the format cannot hold (control characters but tab and line
 * ends, halves of surrogate pairs) become U+FFFD, so that an odd name never keeps a console shut.
 */
export function writeVvFile(fields: VvFields): string {
  assert(isPort(fields.tlsPort), "not a port");
  const values: readonly (readonly [string, string | undefined])[] = [
    ["type", VV_TYPE],
    ["host", fields.host],
    ["tls-port", String(fields.tlsPort)],
    ["password", fields.password],
    ["ca", fields.ca === "" ? undefined : fields.ca],
    ["host-subject", fields.hostSubject === "" ? undefined : fields.hostSubject],
    ["title", fields.title],
    ["proxy", fields.proxy],
    ...VV_CONSTANTS,
  ];
  const lines = values.flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${escapeValue(value)}`],
  );
  return `[${VV_GROUP}]\n${lines.join("\n")}\n`;
}

/**
 * The fields of a console file, ours or another's, as GKeyFile reads them: the last of equal keys
 * counts; comments, translations (`title[de]`), other keys and other groups are ignored. A missing
 * title, authority or subject is empty. A file without a TLS port is refused: this product never dials a plain one.
 */
export function parseVvFile(text: string): Result<VvFields, VvProblem> {
  const raw = readGroup(text);
  if (!raw.ok) {
    return raw;
  }
  const values = new Map<string, string>();
  for (const key of [...REQUIRED_KEYS, ...OPTIONAL_KEYS]) {
    const escaped = raw.value.get(key);
    const value = escaped === undefined ? undefined : unescapeValue(escaped);
    if (value === null) {
      return fail({ kind: "value-invalid", key });
    }
    if (value !== undefined) {
      values.set(key, value);
    }
  }
  const missing = REQUIRED_KEYS.find((key) => !values.has(key));
  return missing === undefined
    ? collectFields(values)
    : fail({ kind: "key-missing", key: missing });
}

/** The fields from values that are all there. */
function collectFields(values: ReadonlyMap<string, string>): Result<VvFields, VvProblem> {
  const valueOf = (key: string): string => values.get(key) ?? "";
  if (valueOf("type") !== VV_TYPE) {
    return fail({ kind: "value-invalid", key: "type" });
  }
  const tlsPort = Number(valueOf("tls-port"));
  if (!/^[0-9]{1,5}$/.test(valueOf("tls-port")) || !isPort(tlsPort)) {
    return fail({ kind: "value-invalid", key: "tls-port" });
  }
  const proxy = values.get("proxy");
  return ok({
    host: valueOf("host"),
    tlsPort,
    password: valueOf("password"),
    ca: valueOf("ca"),
    hostSubject: valueOf("host-subject"),
    title: valueOf("title"),
    ...(proxy === undefined ? {} : { proxy }),
  });
}

/** The keys of the group `[virt-viewer]` with their values still escaped. */
function readGroup(text: string): Result<ReadonlyMap<string, string>, VvProblem> {
  if (text.length > VV_CHARACTERS_MAX) {
    return fail({ kind: "too-long", characters: text.length, max: VV_CHARACTERS_MAX });
  }
  const keys = new Map<string, string>();
  let group: string | null = null;
  for (const [index, whole] of text.split("\n").entries()) {
    const line = whole.replace(/\r$/, "").replace(LEADING_BLANKS, "");
    if (line === "" || line.startsWith("#")) {
      continue;
    }
    const parsed = parseLine(line);
    if (parsed === null || (parsed.kind === "pair" && group === null)) {
      return fail({ kind: "line-malformed", line: index + 1 });
    }
    if (parsed.kind === "group") {
      group = parsed.name;
    } else if (group === VV_GROUP) {
      keys.set(parsed.key, parsed.value);
    }
  }
  return ok(keys);
}

type VvLine =
  | { readonly kind: "group"; readonly name: string }
  | { readonly kind: "pair"; readonly key: string; readonly value: string };

/** A group or a key with its raw value; null for anything else. */
function parseLine(line: string): VvLine | null {
  const group = /^\[([^[\]]+)\][ \t\r\f]*$/.exec(line)?.[1];
  if (group !== undefined) {
    return { kind: "group", name: group };
  }
  const equals = line.indexOf("=");
  const key = line.slice(0, Math.max(equals, 0)).replace(/[ \t\r\f]+$/, "");
  if (!/^[^[\]]+(?:\[[^[\]]+\])?$/.test(key)) {
    return null;
  }
  return { kind: "pair", key, value: line.slice(equals + 1).replace(LEADING_BLANKS, "") };
}

/** GKeyFile's escapes; blanks are escaped at both ends, where readers may trim them. */
function escapeValue(value: string): string {
  return value
    .toWellFormed()
    .replaceAll(UNHOLDABLE, "\uFFFD")
    .replaceAll(/[\\\n\r\t]/g, (character) => ESCAPES[character] ?? character)
    .replaceAll(/^ +| +$/g, (blanks) => "\\s".repeat(blanks.length));
}

/** The value's text, or null for an escape that GKeyFile does not know. */
function unescapeValue(value: string): string | null {
  if (/\\(?![sntr\\])/.test(value.replaceAll("\\\\", ""))) {
    return null;
  }
  return value.replaceAll(/\\([sntr\\])/g, (_, letter: string) => UNESCAPES[letter] ?? letter);
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

const VV_GROUP = "virt-viewer";
const VV_TYPE = "spice";

/** The same in every file: all channels over TLS, one use, and remote-viewer's usual keys. */
const VV_CONSTANTS = [
  ["secure-channels", "all"],
  ["delete-this-file", "1"],
  ["toggle-fullscreen", "shift+f11"],
  ["release-cursor", "shift+f12"],
  ["secure-attention", "ctrl+alt+end"],
] as const;

const REQUIRED_KEYS = ["type", "host", "tls-port", "password"] as const;
const OPTIONAL_KEYS = ["ca", "host-subject", "title", "proxy"] as const;

/** What GLib counts as a blank (g_ascii_isspace); a vertical tab is none. */
const LEADING_BLANKS = /^[ \t\r\f]+/;

// oxlint-disable-next-line no-control-regex -- control characters are what this looks for
const UNHOLDABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

const UNESCAPES: Readonly<Record<string, string>> = {
  s: " ",
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
};
