/** Every way of tampering with the stored trail, and what the verification tells of it. */
import { sql } from "drizzle-orm";
import { CompactSign, exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { hashLink } from "#shared/audit/chain.ts";
import { CHECKPOINT_TYPE } from "#shared/audit/checkpoint.ts";
import { listChainLinks } from "../../../worker/repositories/audit-events.ts";
import { makeCheckpoint } from "../../../worker/services/audit-checkpoints.ts";
import { SYSTEM_CALLER } from "../../../worker/services/audit-record.ts";
import { rotateSigningKeys } from "../../../worker/services/signing-key-rotation.ts";
import {
  findingsOf,
  storeEvent,
  storeRelayTrail,
  verifyDatabase,
} from "../../harness/audit-trail.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";

type Context = ControlServices["context"];

const EIGHT = 8;

/** Two relays' chains of eight links and some of the system's; signed, unless told otherwise. */
async function startTrail(options: { readonly signed: boolean } = { signed: true }) {
  const services = await startControlServices();
  const { context } = services;
  await storeRelayTrail(context, "a", EIGHT);
  await storeRelayTrail(context, "b", EIGHT);
  await storeEvent(context, { type: "source.created", data: { name: "x", kind: "static" } });
  if (options.signed) {
    await makeCheckpoint(context);
  }
  return {
    context,
    run: async (text: string) => await context.database.run(sql.raw(text)),
    [Symbol.asyncDispose]: () => services[Symbol.asyncDispose](),
  };
}

const OF_A = "writer = 'relay:a'";

/** A chain whose links all fit, made by somebody who can write to the database and cannot sign. */
async function rewriteFrom(context: Context, writer: string, firstSeq: number): Promise<void> {
  const links = await listChainLinks(context.database, { after: null, limit: 1000 });
  let previous = "";
  for (const link of links.filter((each) => each.writer === writer)) {
    const seq = link.seq ?? 0;
    const data = seq === firstSeq ? '{"build":"forged"}' : link.data;
    const hash = await hashLink(previous, { ...link, seq, data });
    await context.database.run(
      sql`UPDATE audit_events SET data = ${data}, hash = ${hash} WHERE id = ${link.id}`,
    );
    previous = hash;
  }
  await context.database.run(
    sql`UPDATE audit_chains SET hash = ${previous} WHERE writer = ${writer}`,
  );
}

const TAMPERINGS: Record<string, { readonly sql: readonly string[]; readonly found: string[] }> = {
  "a byte of the data": {
    sql: [`UPDATE audit_events SET data = replace(data, 'b3', 'x3') WHERE ${OF_A}`],
    found: ["edited relay:a 3-3"],
  },
  "white space in the data": {
    sql: [`UPDATE audit_events SET data = data || ' ' WHERE ${OF_A} AND seq = 3`],
    found: ["edited relay:a 3-3"],
  },
  "data that is no JSON any more": {
    sql: [`UPDATE audit_events SET data = 'gone' WHERE ${OF_A} AND seq = 3`],
    found: ["edited relay:a 3-3"],
  },
  "the time": {
    sql: [`UPDATE audit_events SET at_ms = at_ms - 1 WHERE ${OF_A} AND seq = 1`],
    found: ["edited relay:a 1-1"],
  },
  "who did it": {
    sql: [`UPDATE audit_events SET actor_id = 'c' WHERE ${OF_A} AND seq = 8`],
    found: ["edited relay:a 8-8"],
  },
  "a hash": {
    sql: [`UPDATE audit_events SET hash = 'x' WHERE ${OF_A} AND seq = 4`],
    found: ["edited relay:a 4-4"],
  },
  "a hash that was taken away": {
    sql: [`UPDATE audit_events SET hash = NULL WHERE ${OF_A} AND seq = 4`],
    found: ["edited relay:a 4-4", "missing relay:a 4-4"],
  },
  "a row in the middle that was deleted": {
    sql: [`DELETE FROM audit_events WHERE ${OF_A} AND seq = 5`],
    found: ["missing relay:a 5-5"],
  },
  "several rows in the middle that were deleted": {
    sql: [`DELETE FROM audit_events WHERE ${OF_A} AND seq BETWEEN 2 AND 6`],
    found: ["missing relay:a 2-6"],
  },
  "the first rows that were deleted": {
    sql: [`DELETE FROM audit_events WHERE ${OF_A} AND seq <= 2`],
    found: ["missing relay:a 1-2"],
  },
  "the last rows that were deleted, and the head moved back": {
    sql: [
      `DELETE FROM audit_events WHERE ${OF_A} AND seq > 5`,
      `UPDATE audit_chains SET seq = 5, hash = (SELECT hash FROM audit_events WHERE ${OF_A} AND seq = 5)
        WHERE ${OF_A}`,
    ],
    found: ["truncated relay:a 6-8"],
  },
  "a whole chain that was deleted": {
    sql: [`DELETE FROM audit_events WHERE ${OF_A}`, `DELETE FROM audit_chains WHERE ${OF_A}`],
    found: ["chain-missing relay:a 1-8"],
  },
  "two rows that changed places": {
    sql: [
      `UPDATE audit_events SET seq = -3 WHERE ${OF_A} AND seq = 3`,
      `UPDATE audit_events SET seq = 3 WHERE ${OF_A} AND seq = 6`,
      `UPDATE audit_events SET seq = 6 WHERE ${OF_A} AND seq = -3`,
    ],
    found: ["edited relay:a 3-3", "edited relay:a 4-4", "edited relay:a 6-6", "edited relay:a 7-7"],
  },
  "the data of two rows that changed places": {
    sql: [
      `UPDATE audit_events SET data = CASE seq WHEN 3 THEN '{"build":"b6"}' ELSE '{"build":"b3"}' END
        WHERE ${OF_A} AND seq IN (3, 6)`,
    ],
    found: ["edited relay:a 3-3", "edited relay:a 6-6"],
  },
  "a row that was put in": {
    sql: [
      `UPDATE audit_events SET seq = -seq - 1 WHERE ${OF_A} AND seq >= 7`,
      `UPDATE audit_events SET seq = -seq WHERE ${OF_A} AND seq < 0`,
      `INSERT INTO audit_events (id, at_ms, type, actor_kind, data, writer, seq, hash)
        VALUES ('aud_x', 1, 'relay.online', 'relay', '{}', 'relay:a', 7, 'x')`,
    ],
    found: ["edited relay:a 7-7", "edited relay:a 8-8", "edited relay:a 9-9"],
  },
  "a row that was put in at the end": {
    sql: [
      `INSERT INTO audit_events (id, at_ms, type, actor_kind, data, writer, seq, hash)
        VALUES ('aud_x', 1, 'relay.online', 'relay', '{}', 'relay:a', 9, 'x')`,
    ],
    found: ["edited relay:a 9-9"],
  },
  "a link that is there twice": {
    sql: [
      "DROP INDEX audit_events_by_chain",
      `INSERT INTO audit_events (id, at_ms, type, actor_kind, data, writer, seq, hash)
        SELECT 'aud_x', at_ms, type, actor_kind, data, writer, seq, hash
        FROM audit_events WHERE ${OF_A} AND seq = 8`,
    ],
    found: ["duplicated relay:a 8-8"],
  },
  "a fork": {
    sql: [
      "DROP INDEX audit_events_by_chain",
      `INSERT INTO audit_events (id, at_ms, type, actor_kind, data, writer, seq, hash)
        VALUES ('aud_x', 1, 'relay.online', 'relay', '{}', 'relay:a', 8, 'x')`,
    ],
    found: ["forked relay:a 8-8"],
  },
  "a checkpoint that was altered": {
    sql: ["UPDATE audit_checkpoints SET jws = replace(jws, '.', '.e')"],
    found: ["bad-checkpoint", "unsigned"],
  },
  "every checkpoint that was deleted": {
    sql: ["DELETE FROM audit_checkpoints"],
    found: ["unsigned"],
  },
};

describe("a trail that was tampered with", () => {
  it.each(Object.entries(TAMPERINGS))("shows it: %s", async (_name, { sql: texts, found }) => {
    await using trail = await startTrail();
    expect(findingsOf(await verifyDatabase(trail.context))).toEqual([]);
    for (const text of texts) {
      await trail.run(text);
    }
    expect(findingsOf(await verifyDatabase(trail.context))).toEqual(found);
  });

  it("shows hashes that were made anew by somebody who cannot sign", async () => {
    await using trail = await startTrail();
    await rewriteFrom(trail.context, "relay:a", 3);
    expect(findingsOf(await verifyDatabase(trail.context))).toEqual(["rewritten relay:a 1-8"]);
  });

  it("says between which checkpoints the hashes were made anew", async () => {
    await using trail = await startTrail();
    await storeRelayTrail(trail.context, "a", 4);
    await makeCheckpoint(trail.context);
    await rewriteFrom(trail.context, "relay:a", 10);
    expect(findingsOf(await verifyDatabase(trail.context))).toEqual(["rewritten relay:a 9-12"]);
  });

  it("shows an end that was cut off before it was signed, while the head tells", async () => {
    await using trail = await startTrail({ signed: false });
    await trail.run(`DELETE FROM audit_events WHERE ${OF_A} AND seq > 5`);
    expect(findingsOf(await verifyDatabase(trail.context))).toEqual([
      "truncated relay:a 6-8",
      "unsigned",
    ]);
  });
});

describe("the job that signs", () => {
  it("signs the sound chains alone, and fails and records the broken one, once", async () => {
    await using trail = await startTrail({ signed: false });
    const { context, run } = trail;
    await run(`UPDATE audit_events SET data = '{}' WHERE ${OF_A} AND seq = 5`);
    await expect(makeCheckpoint(context)).rejects.toThrow("chain relay:a at link 5.");
    await expect(makeCheckpoint(context)).rejects.toThrow("chain relay:a at link 5.");
    await makeCheckpoint(context).catch(() => undefined);
    const report = await verifyDatabase(context);
    expect(findingsOf(report)).toEqual(["edited relay:a 5-5"]);
    expect(report.unsignedCount).toBe(4);
    const told = await context.database.all(sql`SELECT data FROM audit_events
      WHERE type = 'audit.broken'`);
    expect(told).toEqual([{ data: '{"writer":"relay:a","seq":5}' }]);
  });

  it.each([
    ["an end that was cut off", `DELETE FROM audit_events WHERE ${OF_A} AND seq > 5`, 6],
    ["a chain that vanished", `DELETE FROM audit_events WHERE ${OF_A}`, 1],
    ["a row that is missing", `DELETE FROM audit_events WHERE ${OF_A} AND seq = 2`, 2],
  ])("finds before it is signed: %s", async (_name, text, seq) => {
    await using trail = await startTrail({ signed: false });
    await trail.run(text);
    await expect(makeCheckpoint(trail.context)).rejects.toThrow(`chain relay:a at link ${seq}.`);
  });

  it("never signs a past that was made anew, and finds a head that was moved back", async () => {
    await using trail = await startTrail();
    const { context, run } = trail;
    await rewriteFrom(context, "relay:a", 3);
    await storeRelayTrail(context, "a", 1);
    await expect(makeCheckpoint(context)).rejects.toThrow("chain relay:a at link 9.");
    await run("DELETE FROM audit_events WHERE writer = 'relay:b' AND seq > 5");
    await run("UPDATE audit_chains SET seq = 5 WHERE writer = 'relay:b'");
    await expect(makeCheckpoint(context)).rejects.toThrow("relay:b at link 8");
  });

  it("takes no key that somebody has put beside its own, and no checkpoint signed with it", async () => {
    await using trail = await startTrail();
    const { context, run } = trail;
    await rewriteFrom(context, "relay:a", 3);
    const { publicKey, privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519" });
    const { x = "" } = await exportJWK(publicKey);
    await run(`INSERT INTO signing_keys (kid, public_key, state, created_at_ms, verifies_until_ms)
      VALUES ('mine', '${x}', 'retired', 1, 9)`);
    const heads = await context.database.all<{ writer: string; seq: number; hash: string }>(
      sql`SELECT writer, seq, hash FROM audit_chains`,
    );
    const claims = {
      ...{ iss: context.settings.publicUrl, number: 1, atMs: 1 },
      chains: heads.map((head) => ({ ...head, cutSeq: 0, cutHash: "" })),
    };
    const forged = await new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
      .setProtectedHeader({ alg: "EdDSA", typ: CHECKPOINT_TYPE, kid: "mine" })
      .sign(privateKey);
    await run(`UPDATE audit_checkpoints SET jws = '${forged}'`);
    expect(findingsOf(await verifyDatabase(context))).toEqual(["bad-checkpoint", "unsigned"]);
    await storeRelayTrail(context, "a", 1);
    await expect(makeCheckpoint(context)).rejects.toThrow("checkpoint 1 was altered");
  });

  it("finds that checkpoints were taken away, all or the newest, and signs nothing then", async () => {
    await using trail = await startTrail();
    const { context, run } = trail;
    await storeRelayTrail(context, "a", 1);
    await makeCheckpoint(context);
    await run("DELETE FROM audit_checkpoints WHERE number = 2");
    await expect(makeCheckpoint(context)).rejects.toThrow("checkpoint is not 2");
    await run("DELETE FROM audit_checkpoints");
    await expect(makeCheckpoint(context)).rejects.toThrow("checkpoint is not 2");
    await run("UPDATE audit_keyring SET sealed_keys = 'v1.x'");
    await expect(makeCheckpoint(context)).rejects.toThrow("keyring was altered");
  });

  it("goes on with another signing key, and the old key's checkpoints stay good", async () => {
    await using trail = await startTrail();
    const { context } = trail;
    const rotated = await rotateSigningKeys(context, SYSTEM_CALLER, { isEmergency: true });
    expect(rotated).toMatchObject({ ok: true });
    await storeRelayTrail(context, "a", 1);
    await makeCheckpoint(context);
    const report = await verifyDatabase(context);
    expect(findingsOf(report)).toEqual([]);
    expect(report.newestCheckpoint?.number).toBe(2);
  });

  it("refuses to go on from a checkpoint that was altered", async () => {
    await using trail = await startTrail();
    await trail.run("UPDATE audit_checkpoints SET jws = replace(jws, '.', '.e')");
    await storeRelayTrail(trail.context, "a", 1);
    await expect(makeCheckpoint(trail.context)).rejects.toThrow("checkpoint 1 was altered");
  });
});
