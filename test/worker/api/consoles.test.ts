import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { generateTestCa } from "./test-ca.ts";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  grant,
  makeUser,
  read,
  services,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { consoles } from "../../../worker/repositories/schema/consoles.ts";

let admin: TestUser;
let user: TestUser;

beforeAll(async () => {
  admin = await makeUser("admin");
  user = await makeUser("user");
  await grant(admin, user, { tag: TAG }, "view");
});

/** The user sees consoles that have it. */
const TAG = uniqueName("tag");

const minimal = () => ({ name: uniqueName("console"), host: "10.0.0.5", port: 5900, tags: [TAG] });

async function addConsole(json: object = minimal()): Promise<Record<string, unknown>> {
  return await read(await call("/consoles", { token: admin.token, json }), 201);
}

/** What storing it answered, as it is read: without what it was warned of. */
function asRead({ warnings: _warnings, ...console }: Record<string, unknown>) {
  return console;
}

describe("adding a console", () => {
  it("answers it with the hypervisor's address and without its password", async () => {
    const uuid = crypto.randomUUID();
    const ca = await generateTestCa();
    const json = {
      name: uniqueName("web"),
      uuid: uuid.toUpperCase(),
      host: "hv1.example",
      tlsPort: 5901,
      ca,
      hostSubject: "C=IE,CN=hv1",
      password: "hypervisor",
      source: "static",
      project: "shop",
      tags: ["web", "env=prod", "web"],
    };
    const created = await addConsole(json);
    expect(created).toEqual({
      id: expect.stringMatching(/^con_[\w-]{22}$/),
      name: json.name,
      uuid,
      source: "static",
      project: "shop",
      tags: ["env=prod", "web"],
      access: "open",
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      host: "hv1.example",
      port: null,
      tlsPort: 5901,
      hostSubject: "C=IE,CN=hv1",
      proxy: null,
      policy: null,
      siteId: null,
      warnings: [],
    });
    const trail = await auditOf(admin, { consoleId: String(created["id"]) });
    expect(trail).toMatchObject([
      {
        type: "console.created",
        actor: { id: admin.id },
        data: { name: json.name, source: "static", project: "shop", tags: "env=prod,web" },
      },
    ]);
  });

  it("makes up a uuid, and the static source once however many come first", async () => {
    const created = await Promise.all(Array.from({ length: 4 }, () => addConsole()));
    expect(new Set(created.map(({ uuid }) => uuid)).size).toBe(4);
    expect(created[0]?.["uuid"]).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-/);
    const { rows } = await services().database.run(
      sql`SELECT 1 FROM audit_events WHERE type = 'source.created' AND data ->> 'name' = 'static'`,
    );
    expect(rows).toHaveLength(1);
  });

  it("stores the password sealed", async () => {
    const password = "a password nobody finds";
    await addConsole({ ...minimal(), password });
    const rows = await services().database.select().from(consoles);
    expect(rows.some((row) => row.sealedPassword?.startsWith("v2."))).toBe(true);
    expect(JSON.stringify(rows)).not.toContain(password);
  });

  it("is refused when the source has that uuid", async () => {
    const uuid = crypto.randomUUID();
    await addConsole({ ...minimal(), uuid });
    const options = { token: admin.token, json: { ...minimal(), uuid } };
    await expectProblem(await call("/consoles", options), 409, "resource.conflict");
  });

  const wrong: [string, string, object][] = [
    ["an empty name", "name", { name: "  " }],
    ["a name with a line end", "name", { name: "a\nb" }],
    ["a name that is too long", "name", { name: "x".repeat(129) }],
    ["a uuid that is none", "uuid", { uuid: "1234" }],
    ["a host with a port", "host", { host: "host:5900" }],
    ["a host with a blank", "host", { host: "a b" }],
    ["a host that is an address in brackets", "host", { host: "[::1]" }],
    ["port 0", "port", { port: 0 }],
    ["a port above 65535", "tlsPort", { tlsPort: 65_536 }],
    ["a port that is a text", "port", { port: "5900" }],
    ["a CA that is no PEM", "ca", { ca: "hello" }],
    [
      "a CA whose PEM holds no certificate",
      "ca",
      { ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
    ],
    ["a host subject that is none", "hostSubject", { hostSubject: "hv1" }],
    ["a password above 60 bytes", "password", { password: "é".repeat(31) }],
    ["a proxy without a port", "proxy", { proxy: "http://pve" }],
    ["a proxy with a login", "proxy", { proxy: "http://user:secret@pve:3128" }],
    ["a proxy with a path", "proxy", { proxy: "http://pve:3128/x" }],
    ["a proxy over TLS", "proxy", { proxy: "https://pve:3128" }],
    ["a proxy at a port above 65535", "proxy", { proxy: "http://pve:65536" }],
    ["a proxy at a bad address", "proxy", { proxy: "http://[::g]:3128" }],
    ["a policy with an unknown rule", "policy.colour", { policy: { colour: "red" } }],
    ["a policy with an unknown channel", "policy.channels.0", { policy: { channels: ["tv"] } }],
    ["a policy that is idle at once", "policy.idleS", { policy: { idleS: 0 } }],
    ["a source that is not there", "source", { source: "elsewhere" }],
    ["an empty project", "project", { project: " " }],
    ["a tag with a blank", "tags.0", { tags: ["a b"] }],
    ["a tag with a comma", "tags.1", { tags: ["a", "b,c"] }],
    ["a tag that is too long", "tags.0", { tags: ["x".repeat(49)] }],
    ["too many tags", "tags", { tags: Array.from({ length: 17 }, (_, index) => `t${index}`) }],
    ["an unknown field", "colour", { colour: "red" }],
  ];

  it.each(wrong)("is refused for %s", async (_what, field, values) => {
    const options = { token: admin.token, json: { ...minimal(), ...values } };
    const problem = await expectProblem(await call("/consoles", options), 422, "request.invalid");
    expect(fieldsOf(problem)).toContain(field);
  });

  it("is refused without any port", async () => {
    const { port: _port, ...json } = minimal();
    const response = await call("/consoles", { token: admin.token, json });
    expect(fieldsOf(await expectProblem(response, 422, "request.invalid"))).toEqual(["tlsPort"]);
  });

  it.each(["::1", "fd00::5", "10.0.0.1", "hv1", "hv_1.example."])("takes %s", async (host) => {
    await addConsole({ ...minimal(), host });
  });

  it("is for admins", async () => {
    const response = await call("/consoles", { token: user.token, json: minimal() });
    const problem = await expectProblem(response, 403, "auth.forbidden");
    expect(problem["detail"]).toBe("It takes the permission consoles.manage.");
    await expectProblem(await call("/consoles", { json: minimal() }), 401, "auth.required");
  });
});

describe("a console's proxy and policy", () => {
  const policy = { secondViewer: "take-over", idleS: 900, channels: ["main", "display"] };

  it.each(["http://pve.example:3128", "http://10.0.0.1:80", "http://[fd00::5]:3128"])(
    "are answered to admins as they were given: %s",
    async (proxy) => {
      const created = await addConsole({ ...minimal(), proxy, policy });
      expect(created).toMatchObject({ proxy, policy });
      const path = `/consoles/${String(created["id"])}`;
      expect(await read(await call(path, { token: admin.token }), 200)).toEqual(asRead(created));
      const forUser = await read(await call(path, { token: user.token }), 200);
      expect(forUser).not.toHaveProperty("proxy");
      expect(forUser).not.toHaveProperty("policy");
    },
  );

  it("are changed whole, and taken away by null", async () => {
    const created = await addConsole({ ...minimal(), proxy: "http://pve:3128", policy });
    const path = `/consoles/${String(created["id"])}`;
    const patch = async (json: object) =>
      await read(await call(path, { method: "PATCH", token: admin.token, json }), 200);
    expect(await patch({ policy: { firewall: "observe" } })).toMatchObject({
      proxy: "http://pve:3128",
      policy: { firewall: "observe" },
    });
    const changed = await patch({ policy: null, proxy: null });
    expect(changed).toMatchObject({ policy: null, proxy: null });
    expect(await read(await call(path, { token: admin.token }), 200)).toEqual(asRead(changed));
    const [newest] = await auditOf(admin, { consoleId: String(created["id"]) });
    expect(newest).toMatchObject({ data: { fields: "policy,proxy" } });
  });
});

describe("listing consoles", () => {
  it("shows users no address of a hypervisor", async () => {
    const json = minimal();
    const { id } = await addConsole(json);
    const path = `/consoles?name=${json.name}`;
    const forUser = await read(await call(path, { token: user.token }), 200);
    expect(forUser["items"]).toEqual([
      {
        id,
        name: json.name,
        source: "static",
        project: null,
        tags: [TAG],
        access: "view",
        uuid: expect.any(String),
        createdAt: expect.any(String),
      },
    ]);
    const forAdmin = await read(await call(path, { token: admin.token }), 200);
    expect(forAdmin["items"]).toMatchObject([{ host: "10.0.0.5", port: 5900, tlsPort: null }]);
    const single = await read(await call(`/consoles/${String(id)}`, { token: user.token }), 200);
    expect(single).not.toHaveProperty("host");
  });

  it("gives every console once, by name and then id, page after page", async () => {
    const name = uniqueName("twin");
    const ids = await Promise.all(
      Array.from({ length: 5 }, async () => (await addConsole({ ...minimal(), name }))["id"]),
    );
    const seen: unknown[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const after = cursor === "" ? "" : `&cursor=${cursor}`;
      const path = `/consoles?limit=2&name=${name}${after}`;
      const page = await read(await call(path, { token: user.token }), 200);
      seen.push((page["items"] as { id: string }[]).map(({ id }) => id));
      cursor = page["nextCursor"] as string | null;
    }
    const sorted = ids.map(String).sort();
    expect(seen).toEqual([sorted.slice(0, 2), sorted.slice(2, 4), sorted.slice(4)]);
  });

  it.each([
    ["limit=0", "limit"],
    ["limit=201", "limit"],
    ["limit=x", "limit"],
    ["cursor=%%%", "cursor"],
    ["cursor=e30", "cursor"],
    ["cursor=bm90LWpzb24", "cursor"],
  ])("is refused with %s", async (query, field) => {
    const response = await call(`/consoles?${query}`, { token: user.token });
    expect(fieldsOf(await expectProblem(response, 422, "request.invalid"))).toEqual([field]);
  });
});

describe("changing a console", () => {
  const change = async (id: unknown, json: object) =>
    await call(`/consoles/${String(id)}`, { method: "PATCH", token: admin.token, json });

  it.each([{ host: "evil.example" }, { proxy: "http://evil.example:3128" }])(
    "sends a stored password to no server or proxy that it was not given for: %j",
    async (elsewhere) => {
      const created = await addConsole({ ...minimal(), password: "old-secret" });
      const kept = { ...elsewhere, name: "elsewhere" };
      const refused = await change(created["id"], kept);
      const problem = await expectProblem(refused, 422, "request.invalid");
      expect(fieldsOf(problem)).toEqual(["password"]);
      const same = { host: created["host"], port: 5999, name: "same" };
      expect(await read(await change(created["id"], same), 200)).toMatchObject(same);
      for (const password of ["new-secret", null]) {
        const given = { ...kept, password };
        expect(await read(await change(created["id"], given), 200)).toMatchObject(kept);
      }
      // Where none is stored there is none to send.
      expect((await change(created["id"], { host: "10.0.0.9" })).status).toBe(200);
    },
  );

  it("changes what is named and nothing else, and tells it in the audit trail", async () => {
    const created = await addConsole({ ...minimal(), password: "old-secret" });
    const json = { host: "10.0.0.6", tlsPort: 5901, port: null, password: "new-secret" };
    const changed = await read(await change(created["id"], json), 200);
    expect(changed).toEqual({ ...created, host: "10.0.0.6", tlsPort: 5901, port: null });
    const path = `/consoles/${String(created["id"])}`;
    expect(await read(await call(path, { token: admin.token }), 200)).toEqual(asRead(changed));
    const [newest] = await auditOf(admin, { consoleId: String(created["id"]) });
    expect(newest).toMatchObject({
      type: "console.updated",
      data: {
        name: created["name"],
        fields: "host,password,port,tlsPort",
        changes: [
          { field: "host", before: expect.any(String), after: '"10.0.0.6"' },
          { field: "port", before: expect.any(String), after: null },
          { field: "tlsPort", before: null, after: "5901" },
          { field: "password", before: "(secret)", after: "(secret)" },
        ],
      },
    });
    expect(JSON.stringify(newest)).not.toMatch(/old-secret|new-secret/);
  });

  it("records nothing when nothing is named", async () => {
    const created = await addConsole();
    expect(await read(await change(created["id"], {}), 200)).toEqual(created);
    expect(await auditOf(admin, { consoleId: String(created["id"]) })).toHaveLength(1);
  });

  it("is refused when it would leave the console without a port", async () => {
    const { id } = await addConsole();
    const problem = await expectProblem(await change(id, { port: null }), 422, "request.invalid");
    expect(fieldsOf(problem)).toEqual(["tlsPort"]);
  });

  it("is refused for a CA that is none, an unknown field, and an unknown console", async () => {
    const { id } = await addConsole();
    const ca = await expectProblem(await change(id, { ca: "x" }), 422, "request.invalid");
    expect(fieldsOf(ca)).toEqual(["ca"]);
    await expectProblem(await change(id, { uuid: crypto.randomUUID() }), 422, "request.invalid");
    await expectProblem(await change("con_none", { name: "x" }), 404, "resource.not-found");
  });

  it("is for admins", async () => {
    const { id } = await addConsole();
    const options = { method: "PATCH", token: user.token, json: { name: "x" } };
    await expectProblem(await call(`/consoles/${String(id)}`, options), 403, "auth.forbidden");
  });
});

describe("deleting a console", () => {
  it("takes it away once, and frees its uuid", async () => {
    const json = { ...minimal(), uuid: crypto.randomUUID() };
    const { id } = await addConsole(json);
    const path = `/consoles/${String(id)}`;
    const both = await Promise.all([
      call(path, { method: "DELETE", token: admin.token }),
      call(path, { method: "DELETE", token: admin.token }),
    ]);
    expect(both.map(({ status }) => String(status)).sort()).toEqual(["204", "404"]);
    await expectProblem(await call(path, { token: admin.token }), 404, "resource.not-found");
    const listed = await read(
      await call(`/consoles?name=${json.name}`, { token: admin.token }),
      200,
    );
    expect(listed).toEqual({ items: [], nextCursor: null });
    const trail = await auditOf(admin, { consoleId: String(id), type: "console.deleted" });
    expect(trail).toHaveLength(1);
    await addConsole(json);
  });

  it("is for admins", async () => {
    const { id } = await addConsole();
    const options = { method: "DELETE", token: user.token };
    await expectProblem(await call(`/consoles/${String(id)}`, options), 403, "auth.forbidden");
  });
});
