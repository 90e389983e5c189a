/** Keys that sign grants and certificates, and certificates that operators brought themselves. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const signingKeys = sqliteTable("signing_keys", {
  kid: text().primaryKey(),
  /** The `x` of its JWK. */
  publicKey: text("public_key").notNull(),
  /** The `d` of its JWK, sealed; gone when it is retired. */
  sealedPrivateKey: text("sealed_private_key"),
  state: text({ enum: ["next", "active", "retired"] }).notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
  activatedAtMs: integer("activated_at_ms"),
  retiredAtMs: integer("retired_at_ms"),
  /** Until when what it signed is accepted; null until it is retired. */
  verifiesUntilMs: integer("verifies_until_ms"),
});

export const authorityKeys = sqliteTable("authority_keys", {
  /** SHA-256 of the authority's public key, base64url. */
  id: text().primaryKey(),
  /** PKCS 8 in PEM, sealed. */
  sealedPrivateKey: text("sealed_private_key").notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
});

/** What a relay shows to clients in the place of the certificate that we signed for it. */
export const ownCertificates = sqliteTable("own_certificates", {
  relayId: text("relay_id").primaryKey(),
  chain: text().notNull(),
  /** What clients are to trust; null: the public authorities. */
  ca: text(),
  /** Its subject in a .vv file's notation; null when it has none, so that its names count. */
  hostSubject: text("host_subject"),
  endsAtMs: integer("ends_at_ms").notNull(),
  reportedAtMs: integer("reported_at_ms").notNull(),
  /** When the audit trail was told that it ends soon. */
  warnedAtMs: integer("warned_at_ms"),
});
