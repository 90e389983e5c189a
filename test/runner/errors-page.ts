/**
 * Writes docs/api/errors.md from the catalogue of errors; a test compares the two.
 *
 *     node test/runner/errors-page.ts
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERRORS } from "#shared/errors/catalogue.ts";
import type { ErrorRow } from "#shared/errors/error-row.ts";

/** The page's whole text. */
export function renderErrorsPage(): string {
  const rows = Object.entries<ErrorRow>(ERRORS).map(
    ([code, row]) =>
      `| \`${code}\` | ${row.fault} | ${row.retryable ? "yes" : "no"} | ${row.httpStatus ?? ""} | ` +
      `${row.spiceError ?? ""} | ${row.hint} |`,
  );
  return [...INTRODUCTION, ...rows, ""].join("\n");
}

const INTRODUCTION = [
  "# Errors",
  "",
  "Every failure has a stable code. The API answers with `application/problem+json`, whose `code` is",
  "one of these; logs and audit events use the same codes. *Fault* says where to look: the caller",
  "(`client`), the hypervisor's side (`backend`), the control plane or the way to it (`control`), or",
  "Kerbside itself (`internal`). *Retry* says whether the same request can succeed later. *SPICE* is",
  "the link error that a client sees; it is deliberately less exact than the audit event.",
  "",
  "Made from `shared/errors/catalogue.ts` by `npm run docs:errors`.",
  "",
  "| code | fault | retry | HTTP | SPICE | what to do |",
  "| --- | --- | --- | --- | --- | --- |",
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  writeFileSync(join(root, "docs", "api", "errors.md"), renderErrorsPage());
}
