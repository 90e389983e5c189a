/**
 * What an operation is called in the API's description where its route does not say: a stable id
 * for generated clients, and the group that it is listed in. Pure. Both follow from the method, the
 * path and what is answered, which are the contract itself, so a name changes only with that.
 */

export interface NamedOperation {
  /** In lower case. */
  readonly method: string;
  /** With `{parameters}`, from the root. */
  readonly path: string;
  /** Whether it answers a page of a list. */
  readonly isList: boolean;
  /** Whether it answers 201. */
  readonly isCreating: boolean;
}

/** Such as `listConsoles`, `readConsole`, `createConsoleTicket` or `terminateSession`. */
export function operationIdOf(operation: NamedOperation): string {
  const words = literalsOf(operation.path);
  const last = words.at(-1) ?? "root";
  const before = words.slice(0, -1);
  if (operation.method === "post" && !operation.isCreating && before.length > 0) {
    return camel([last, ...before.slice(0, -1).map(singular), actedOn(operation.path, before)]);
  }
  const isWhole = !operation.isCreating && !endsInParameter(operation);
  return camel([verbOf(operation), ...before.map(singular), isWhole ? last : singular(last)]);
}

/** Such as `Consoles`: by the first word below the API's version. */
export function tagOf(path: string): string {
  const [first = ""] = literalsOf(path);
  return path.startsWith("/api/") ? capital(first.replaceAll("-", " ")) : SERVICE_TAG;
}

/** What an action is about: one where the path names which, else all of them. */
function actedOn(path: string, before: readonly string[]): string {
  const word = before.at(-1) ?? "";
  return path.includes(`/${word}/{`) ? singular(word) : word;
}

function verbOf({ method, isList }: NamedOperation): string {
  return isList ? "list" : (VERBS[method] ?? method);
}

function endsInParameter({ path }: NamedOperation): boolean {
  return path.endsWith("}");
}

/** The path's own words, without the API's prefix and without parameters. */
function literalsOf(path: string): string[] {
  return path
    .replace(/^\/api\/v\d+/, "")
    .split("/")
    .filter((segment) => segment !== "" && !segment.startsWith("{"));
}

function singular(word: string): string {
  if (word.endsWith("ies")) {
    return `${word.slice(0, -3)}y`;
  }
  return /[^siu]s$/.test(word) ? word.slice(0, -1) : word;
}

function camel(words: readonly string[]): string {
  const [first = "", ...rest] = words.flatMap((word) => word.split(/[^A-Za-z0-9]+/));
  return first + rest.map(capital).join("");
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

/** What is no part of the versioned API. */
export const SERVICE_TAG = "Service";
const VERBS: Readonly<Record<string, string>> = {
  get: "read",
  post: "create",
  put: "replace",
  patch: "change",
  delete: "delete",
};
