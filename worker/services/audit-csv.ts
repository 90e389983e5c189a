/**
 * The audit trail as CSV (RFC 4180), in columns that stay. A cell that a spreadsheet would take for
 * a formula begins with an apostrophe: names and addresses in it are strangers' texts.
 */
import type { AuditLine } from "#shared/audit/audit-line.ts";

/** The line with the columns' names. */
export function csvHead(): string {
  return joinCells(Object.keys(COLUMNS));
}

export function csvRow(line: AuditLine): string {
  return joinCells(Object.values(COLUMNS).map((cellOf) => String(cellOf(line) ?? "")));
}

function joinCells(cells: readonly string[]): string {
  return `${cells.map(quote).join(",")}\r\n`;
}

function quote(cell: string): string {
  const safe = FORMULA_START.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** OWASP, "CSV injection": what makes a cell a formula somewhere. */
const FORMULA_START = /^[=+\-@\t\r]/;

const COLUMNS: Readonly<Record<string, (line: AuditLine) => string | number | null>> = {
  id: ({ id }) => id,
  at: ({ at }) => at,
  type: ({ type }) => type,
  actor_kind: ({ actor }) => actor.kind,
  actor_id: ({ actor }) => actor.id,
  address: ({ address }) => address,
  request_id: ({ requestId }) => requestId,
  console_id: ({ consoleId }) => consoleId,
  session_id: ({ sessionId }) => sessionId,
  relay_id: ({ relayId }) => relayId,
  subject_id: ({ subjectId }) => subjectId,
  data: ({ data, dataText }) => dataText ?? JSON.stringify(data),
  writer: ({ writer }) => writer,
  seq: ({ seq }) => seq,
  hash: ({ hash }) => hash,
};
