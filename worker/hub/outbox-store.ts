/**
 * The hub's own SQLite: the commands that wait for the relay, and the part of the hub's state that
 * must outlive its memory. Everything is synchronous; the platform makes the writes of one step
 * durable together, and before anything that was sent in it leaves.
 */
import { z } from "zod";
import { assert } from "#shared/base/assert.ts";
import { type Command, commandSchema } from "#shared/control/contract.ts";
import { type HubState, initialHubState, type OutboxEntry, type Presence } from "./hub-state.ts";

export class OutboxStore {
  readonly #sql: SqlStorage;
  #written: string;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY, command TEXT NOT NULL) STRICT",
    );
    sql.exec(
      "CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    );
    this.#written = this.#read("state") ?? "";
  }

  /**
   * The state as it was left, without its link. Grants are dropped: whoever waited for them waited
   * in the memory that is gone, and was told that they failed.
   */
  load(spareEpoch: string): HubState {
    const stored = parseStored(this.#written);
    if (stored === null) {
      this.#sql.exec("DELETE FROM outbox");
      return initialHubState(spareEpoch);
    }
    const entries = this.#entries();
    for (const entry of entries.filter(({ kind }) => kind === "grant")) {
      this.delete(entry.seq);
    }
    return {
      ...initialHubState(stored.epoch),
      nextSeq: stored.nextSeq,
      outbox: entries.filter(({ kind }) => kind !== "grant"),
      presence: stored.presence,
      expiry: stored.expireAtMs === null ? null : { atMs: stored.expireAtMs, looking: false },
    };
  }

  /** Keeps what must outlive the hub's memory; writes nothing when it has not changed. */
  save(state: HubState): void {
    const text = JSON.stringify({
      epoch: state.epoch,
      nextSeq: state.nextSeq,
      presence: settled(state.presence),
      expireAtMs: state.expiry?.atMs ?? null,
    } satisfies z.infer<typeof storedSchema>);
    if (text !== this.#written) {
      this.#write("state", text);
      this.#written = text;
    }
  }

  /** The relay that this hub belongs to; null before the first push or connection. */
  relayId(): string | null {
    return this.#read("relay-id");
  }

  rememberRelayId(relayId: string): void {
    const known = this.relayId();
    assert(known === null || known === relayId, "a hub belongs to one relay");
    if (known === null) {
      this.#write("relay-id", relayId);
    }
  }

  insert(seq: number, command: Command): void {
    this.#sql.exec("INSERT INTO outbox (seq, command) VALUES (?, ?)", seq, JSON.stringify(command));
  }

  delete(seq: number): void {
    this.#sql.exec("DELETE FROM outbox WHERE seq = ?", seq);
  }

  command(seq: number): Command {
    const rows = this.#sql
      .exec<{ command: string }>("SELECT command FROM outbox WHERE seq = ?", seq)
      .toArray();
    const [row] = rows;
    assert(row !== undefined, `push ${seq} is in the state and not in the outbox`);
    return commandSchema.parse(JSON.parse(row.command));
  }

  /** The rows become 1, 2, 3… in their order. */
  renumber(): void {
    const rows = this.#sql
      .exec<{ command: string }>("SELECT command FROM outbox ORDER BY seq")
      .toArray();
    this.#sql.exec("DELETE FROM outbox");
    for (const [index, row] of rows.entries()) {
      this.#sql.exec("INSERT INTO outbox (seq, command) VALUES (?, ?)", index + 1, row.command);
    }
  }

  #entries(): OutboxEntry[] {
    const rows = this.#sql
      .exec<{ seq: number; command: string }>("SELECT seq, command FROM outbox ORDER BY seq")
      .toArray();
    return rows.map((row) => ({
      seq: row.seq,
      ...describeCommand(commandSchema.parse(JSON.parse(row.command))),
      waiters: [],
    }));
  }

  #read(key: string): string | null {
    const rows = this.#sql
      .exec<{ value: string }>("SELECT value FROM memory WHERE key = ?", key)
      .toArray();
    return rows[0]?.value ?? null;
  }

  #write(key: string, value: string): void {
    this.#sql.exec(
      "INSERT INTO memory (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }
}

/** What the reducer needs to know of a command. */
export function describeCommand(
  command: Command,
): Pick<OutboxEntry, "kind" | "sessionId" | "sizeBytes"> {
  return {
    kind: command.kind,
    sessionId: command.kind === "grant" ? null : command.sessionId,
    // Ids, base64url and reasons are ASCII but for the latter, so this is close enough for a bound.
    sizeBytes: JSON.stringify(command).length,
  };
}

/** An effect under way dies with the memory, so it is owed again. */
function settled(presence: Presence): Presence {
  return presence.kind === "lost" ? { ...presence, busy: false } : presence;
}

function parseStored(text: string): z.infer<typeof storedSchema> | null {
  if (text === "") {
    return null;
  }
  // Storage is written by this file alone: what does not parse was written by another version, and
  // a hub that cannot read its memory starts a new life with a new epoch.
  const parsed = storedSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : null;
}

const storedSchema = z.object({
  epoch: z.string(),
  nextSeq: z.int().positive(),
  presence: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("offline") }),
    z.object({ kind: z.literal("online") }),
    z.object({
      kind: z.literal("lost"),
      code: z.string(),
      endAtMs: z.int(),
      marked: z.boolean(),
      retryAtMs: z.int(),
      busy: z.boolean(),
    }),
  ]),
  expireAtMs: z.int().nullable(),
});
