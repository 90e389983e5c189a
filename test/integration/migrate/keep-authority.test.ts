/** The certificate authority's key of a state folder: into the database, and out of the folder. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { keepAuthority } from "../../../worker/dev/keep-authority.ts";
import { type LibsqlServer, startLibsqlServer } from "../../../worker/dev/libsql/server.ts";
import { migrateDatabase } from "../../../worker/dev/migrate/migrate-database.ts";
import { generateAuthority, type Secrets } from "../../../worker/dev/secrets.ts";
import { StateFolder } from "../../../worker/dev/state-folder.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";

const authToken = "test-token";

class Place {
  readonly state: StateFolder;
  readonly #folder: TempFolder;
  readonly #servers: LibsqlServer[] = [];

  private constructor(folder: TempFolder) {
    this.#folder = folder;
    this.state = new StateFolder(folder.path);
  }

  static async make(): Promise<Place> {
    return new Place(await makeTempFolder());
  }

  /** A start of the control plane, with the database that lies there or another one. */
  async start(database = "control.db"): Promise<Secrets> {
    const kept = await this.state.secrets(Date.now());
    const server = await startLibsqlServer({ file: this.#folder.file(database), authToken });
    this.#servers.push(server);
    const address = { url: server.url, authToken };
    await migrateDatabase(address);
    return await keepAuthority(this.state, address, kept);
  }

  readSecrets(): Secrets {
    return JSON.parse(readFileSync(join(this.state.path, "secrets.json"), "utf8"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      await server.close();
    }
    await this.#folder[Symbol.asyncDispose]();
  }
}

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe("the authority of a control plane on this machine", () => {
  it("has its key in the database after the first start, and no more in the folder", async () => {
    await using place = await Place.make();
    const made = await place.state.secrets(Date.now());
    expect(made.CA_KEY).toContain("BEGIN PRIVATE KEY");
    const { CA_KEY: _key, ...others } = made;
    expect(await place.start()).toEqual(others);
    expect(place.readSecrets()).toEqual(others);
    expect(await place.start()).toEqual(others);
  });

  it("is taken in again where a start ended before the folder was written", async () => {
    await using place = await Place.make();
    const made = await place.state.secrets(Date.now());
    const kept = await place.start();
    place.state.writeSecrets(made);
    expect(await place.start()).toEqual(kept);
    expect(place.readSecrets()).toEqual(kept);
  });

  it("signs no more when the database never had its key: a new one does, and both are trusted", async () => {
    await using place = await Place.make();
    const { CA_CERTIFICATE: old } = await place.start();
    const said = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { CA_CERTIFICATE: both, ...others } = await place.start("older.db");
    expect(others).not.toHaveProperty("CA_KEY");
    expect(both.endsWith(old)).toBe(true);
    expect(both.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(place.readSecrets()).toEqual({ CA_CERTIFICATE: both, ...others });
    expect(said.mock.calls).toEqual([[expect.stringContaining("a new authority was made")]]);
    // And it is known from then on.
    expect((await place.start("older.db")).CA_CERTIFICATE).toBe(both);
  });

  it("is left alone while SECRETS_KEYS does not open its key", async () => {
    await using place = await Place.make();
    const kept = await place.start();
    const { SECRETS_KEY, ...rest } = kept;
    place.state.writeSecrets(rest);
    vi.stubEnv("SECRETS_KEYS", `other:${"A".repeat(43)}`);
    expect(await place.start()).toEqual(rest);
    vi.stubEnv("SECRETS_KEYS", `again:${SECRETS_KEY ?? ""}`);
    expect(await place.start()).toEqual(rest);
    expect(place.readSecrets()).toEqual(rest);
  });

  it("refuses a key that is not that of the first certificate", async () => {
    await using place = await Place.make();
    const made = await place.state.secrets(Date.now());
    const { CA_KEY } = await generateAuthority(Date.now());
    place.state.writeSecrets({ ...made, CA_KEY });
    await expect(place.start()).rejects.toThrow(/secrets\.json: CA_KEY is not the key/);
    expect(place.readSecrets().CA_KEY).toBe(CA_KEY);
  });
});
