/**
 * The hub's own SQLite: the commands that wait for the relay, and the part of the hub's state that
 * must outlive its memory. Everything is synchronous; the platform makes the writes of one step
 * durable together, and before anything that was sent in it leaves.
 */
import { z } from "zod";
import { assert } from "#shared/base/assert.ts";
import { type Command, commandSchema } from "#shared/control/contract.ts";
import { type HubLink, type HubState, initialHubState, type Presence } from "./hub-state.ts";
import { describeCommand, isGrant, isToldByWelcome, type OutboxEntry } from "./outbox-entry.ts";

export class OutboxStore {
  readonly #sql: SqlStorage;
  #written: string;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS pushes (id INTEGER PRIMARY KEY, seq INTEGER, command TEXT NOT NULL) STRICT",
    );
    sql.exec(
      "CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    );
    this.#adoptFirstOutbox();
    this.#written = this.#read("state") ?? "";
  }

  /**
   * The state as it was left, with the link that outlived the memory. Grants are dropped: whoever
   * waited for them waited in the memory that is gone, and was told that they failed. Without a link
   * so is what the next welcome tells.
   */
  load(spareEpoch: string, link: HubLink): HubState {
    const stored = parseStored(this.#written);
    if (stored === null) {
      this.#sql.exec("DELETE FROM pushes");
      return { ...initialHubState(spareEpoch), link };
    }
    const isKept = (entry: OutboxEntry): boolean =>
      !isGrant(entry) && (link.phase !== "none" || !isToldByWelcome(entry));
    const entries = this.#entries();
    for (const entry of entries.filter((candidate) => !isKept(candidate))) {
      this.delete(entry.id);
    }
    return {
      ...initialHubState(stored.epoch),
      nextSeq: stored.nextSeq,
      nextId: stored.nextId ?? stored.nextSeq,
      outbox: entries.filter(isKept),
      link,
      presence: stored.presence,
      expiry: stored.expireAtMs === null ? null : { atMs: stored.expireAtMs, looking: false },
    };
  }

  /** Keeps what must outlive the hub's memory; writes nothing when it has not changed. */
  save(state: HubState): void {
    const text = JSON.stringify({
      epoch: state.epoch,
      nextSeq: state.nextSeq,
      nextId: state.nextId,
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

  insert(id: number, command: Command): void {
    this.#sql.exec("INSERT INTO pushes (id, command) VALUES (?, ?)", id, JSON.stringify(command));
  }

  delete(id: number): void {
    this.#sql.exec("DELETE FROM pushes WHERE id = ?", id);
  }

  /** Keeps the number under which the command goes out now, and gives the command. */
  numbered(id: number, seq: number): Command {
    const [row] = this.#sql
      .exec<{ command: string }>(
        "UPDATE pushes SET seq = ? WHERE id = ? RETURNING command",
        seq,
        id,
      )
      .toArray();
    assert(row !== undefined, `push ${id} is in the state and not in the outbox`);
    return commandSchema.parse(JSON.parse(row.command));
  }

  /** No row has been sent in the present epoch. */
  forgetNumbers(): void {
    this.#sql.exec("UPDATE pushes SET seq = NULL");
  }

  #entries(): OutboxEntry[] {
    const rows = this.#sql
      .exec<{
        id: number;
        seq: number | null;
        command: string;
      }>("SELECT id, seq, command FROM pushes ORDER BY id")
      .toArray();
    return rows.map(({ id, seq, command }) => ({
      ...describeCommand(commandSchema.parse(JSON.parse(command))),
      id,
      seq,
      waiters: [],
    }));
  }

  /** A hub of the first build kept its pushes by their numbers, each of which it had sent. */
  #adoptFirstOutbox(): void {
    const [first] = this.#sql
      .exec("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'outbox'")
      .toArray();
    if (first !== undefined) {
      this.#sql.exec("INSERT INTO pushes (id, seq, command) SELECT seq, seq, command FROM outbox");
      this.#sql.exec("DROP TABLE outbox");
    }
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
  /** Absent in the memory of the first build, whose pushes had their numbers for ids. */
  nextId: z.int().positive().optional(),
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
