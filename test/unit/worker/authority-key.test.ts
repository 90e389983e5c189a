/** The certificate authority's key: taken in from the settings once, sealed in the database. */
import "reflect-metadata";
import { randomBytes, X509Certificate } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { generateAuthority } from "../../../worker/dev/secrets.ts";
import { SYSTEM_CALLER } from "../../../worker/services/audit-record.ts";
import { keepAuthorityKey, readAuthority } from "../../../worker/services/authority-key.ts";
import type { ServiceContext, ServiceSettings } from "../../../worker/services/context.ts";
import { renewRelayCertificate } from "../../../worker/services/relay-certificates.ts";
import { reencryptSecrets } from "../../../worker/services/secrets-upkeep.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { makeCsr } from "./relay-keys-fixture.ts";

const withSettings = (
  { context }: ControlServices,
  changed: Partial<ServiceSettings>,
): ServiceContext => ({ ...context, settings: { ...context.settings, ...changed } });

const aSecretsKey = (id: string) => ({ id, key: Uint8Array.from(randomBytes(32)) });

async function stored({ context }: ControlServices) {
  return await context.database.all<{ id: string; sealed: string }>(
    sql`SELECT id, sealed_private_key AS sealed FROM authority_keys ORDER BY created_at_ms, id`,
  );
}

async function told({ context }: ControlServices) {
  const records = await recordedEvents(context, { type: "authority.key-stored" });
  return records.map(({ event }) => event.data);
}

async function codeOf(read: ReturnType<typeof readAuthority>) {
  const result = await read;
  return result.ok ? null : result.error.code;
}

describe("the certificate authority's key", () => {
  it("is sealed in the database once, named by its authority, and told of", async () => {
    await using services = await startControlServices();
    await keepAuthorityKey(services.context);
    await keepAuthorityKey(services.context);
    const rows = await stored(services);
    expect(rows).toEqual([
      { id: expect.stringMatching(/^[\w-]{43}$/), sealed: expect.stringMatching(/^v2\.test\./) },
    ]);
    expect(await told(services)).toEqual(rows.map(({ id }) => ({ authority: id })));
    const keyText = (services.context.settings.caKey ?? "").split("\n")[1] ?? "none";
    expect(JSON.stringify([rows, await recordedEvents(services.context, {})])).not.toContain(
      keyText,
    );
  });

  it("is not needed in the settings from then on", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    await keepAuthorityKey(services.context);
    const context = withSettings(services, { caKey: null });
    const renewed = await renewRelayCertificate(context, relayId, await makeCsr());
    const { certificate = "" } =
      renewed.ok && renewed.value.kind === "certificate" ? renewed.value : {};
    const ca = new X509Certificate(context.settings.caCertificate);
    expect(new X509Certificate(certificate).verify(ca.publicKey)).toBe(true);
  });

  it("is the stored one even when the settings hold another", async () => {
    await using services = await startControlServices();
    await keepAuthorityKey(services.context);
    const { CA_KEY: caKey } = await generateAuthority(Date.now());
    expect(await readAuthority(withSettings(services, { caKey }))).toMatchObject({
      value: { caKey: services.context.settings.caKey },
    });
  });

  it("is one for each authority that is named first", async () => {
    await using services = await startControlServices();
    await keepAuthorityKey(services.context);
    const { settings } = services.context;
    const { CA_CERTIFICATE, CA_KEY: caKey } = await generateAuthority(Date.now());
    const caCertificate = `${CA_CERTIFICATE}\n${settings.caCertificate}`;
    await keepAuthorityKey(withSettings(services, { caCertificate, caKey }));
    expect(await stored(services)).toHaveLength(2);
    expect(await readAuthority(withSettings(services, { caCertificate, caKey: null }))).toEqual({
      ok: true,
      value: { caCertificate, caKey },
    });
    expect(await readAuthority(withSettings(services, { caKey: null }))).toMatchObject({
      value: { caKey: settings.caKey },
    });
  });

  it.each([
    ["is nowhere", () => null],
    ["is another authority's", async () => (await generateAuthority(Date.now())).CA_KEY],
    ["is no key", () => "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"],
    ["is no PEM", () => "secret"],
  ])("is missing when it %s: nothing is signed or stored", async (_name, given) => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    const context = withSettings(services, { caKey: await given() });
    expect(await codeOf(readAuthority(context))).toBe("authority.key-missing");
    expect(await renewRelayCertificate(context, relayId, await makeCsr())).toMatchObject({
      error: { code: "authority.key-missing" },
    });
    await expect(keepAuthorityKey(context)).rejects.toThrow("CA_KEY");
    expect(await stored(services)).toEqual([]);
  });

  it("is sealed again with another key like all secrets", async () => {
    await using services = await startControlServices();
    await keepAuthorityKey(services.context);
    const { settings } = services.context;
    const newer = aSecretsKey("newer");
    const both = withSettings(services, { secretsKeys: [newer, ...settings.secretsKeys] });
    let cursor: string | null = null;
    do {
      const batch = await reencryptSecrets(both, SYSTEM_CALLER, cursor);
      cursor = batch.ok ? batch.value.nextCursor : null;
    } while (cursor !== null);
    const one = withSettings(services, { secretsKeys: [newer], caKey: null });
    expect(await readAuthority(one)).toMatchObject({ value: { caKey: settings.caKey } });
  });

  it("that no key opens is unreadable, until the settings give it anew", async () => {
    await using services = await startControlServices();
    await keepAuthorityKey(services.context);
    const { caKey } = services.context.settings;
    const secretsKeys = [aSecretsKey("other")] as const;
    const lost = withSettings(services, { secretsKeys, caKey: null });
    expect(await codeOf(readAuthority(lost))).toBe("authority.key-unreadable");
    await keepAuthorityKey(withSettings(services, { secretsKeys, caKey }));
    expect(await readAuthority(lost)).toMatchObject({ value: { caKey } });
    expect(await told(services)).toHaveLength(2);
  });

  it("is stored once by two at the same time", async () => {
    await using services = await startControlServices();
    await Promise.all([1, 2, 3].map(async () => await keepAuthorityKey(services.context)));
    expect(await stored(services)).toHaveLength(1);
    expect(await told(services)).toHaveLength(1);
  });
});
