/** Times as the API writes them: RFC 3339, in UTC. */
import { z } from "@hono/zod-openapi";

export const timeSchema = z.iso.datetime().openapi({ example: "2026-03-01T12:00:00.000Z" });

export function formatTime(atMs: number): string {
  return new Date(atMs).toISOString();
}

export function formatOptionalTime(atMs: number | null): string | null {
  return atMs === null ? null : formatTime(atMs);
}

/** @param text has been checked by {@link timeSchema}. */
export function parseOptionalTime(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}
