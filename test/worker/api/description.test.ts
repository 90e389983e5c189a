/** The API's description: whole, and true of every route, whoever wrote it. */
import { describe, expect, it } from "vitest";
import { ERRORS, type ErrorCode, errorRow } from "#shared/errors/catalogue.ts";
import { createApp } from "../../../worker/app.ts";
import type {
  ApiDescription,
  Operation,
  Schema,
} from "../../../worker/routes/description/api-description.ts";
import { guardOf } from "../../../worker/routes/caller.ts";
import { GENERAL_CODES } from "../../../worker/routes/problem.ts";
import { call } from "./api-client.ts";

const description = (await (await call("/openapi.json")).json()) as ApiDescription;

const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    method,
    path,
    operation,
  })),
);

const routes = createApp().routes.map(({ method, path, handler }) => ({
  name: `${method} ${path.replaceAll(/:([^/]+)/g, "{$1}")}`,
  isApi: method !== "ALL" && path.startsWith("/api/v1/"),
  isGuard: guardOf(handler) !== undefined,
}));

const guarded = new Set(routes.filter(({ isGuard }) => isGuard).map(({ name }) => name));

const codesOf = (operation: Operation): ErrorCode[] =>
  Object.values(operation.responses).flatMap((answer) => answer["x-codes"] ?? []);

const successesOf = (operation: Operation) =>
  Object.entries(operation.responses).filter(([status]) => /^(2..|30[237])$/.test(status));

describe("the description", () => {
  it("is OpenAPI 3.1 and says where the API is", () => {
    expect(description.openapi).toBe("3.1.0");
    expect(description.servers).toEqual([{ url: "/", description: expect.any(String) }]);
    expect(description.components).toMatchObject({
      securitySchemes: { bearer: {}, cookie: {}, scraper: {} },
      schemas: { Problem: {}, Console: {}, Session: {} },
    });
  });

  it("holds every route that is served below the API", () => {
    const served = routes.filter(({ isApi }) => isApi).map(({ name }) => name);
    const described = new Set(operations.map(({ name }) => name));
    const undescribed = new Set(served.filter((name) => !described.has(name)));
    expect([...undescribed].sort()).toEqual(UNDESCRIBED);
  });

  it("names each operation once", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it("refers to schemas that it has", () => {
    const names = [...JSON.stringify(description).matchAll(/#\/components\/schemas\/([^"]+)/g)];
    expect(names.length).toBeGreaterThan(20);
    const known = Object.keys(description.components.schemas);
    expect(names.map((match) => match[1]).filter((name) => !known.includes(name ?? ""))).toEqual(
      [],
    );
  });

  it("lists the groups that its operations are in", () => {
    const used = new Set(operations.flatMap(({ operation }) => operation.tags));
    expect(new Set(description.tags.map(({ name }) => name))).toEqual(used);
  });
});

describe.each(operations)("$name", ({ method, path, operation }) => {
  it("has a name, a group and a summary", () => {
    expect(operation.operationId).toMatch(/^[a-z][A-Za-z0-9]+$/);
    expect(operation.tags).toHaveLength(1);
    expect(operation.summary).toMatch(/^[A-Z].*[^.]$/s);
  });

  it("describes its successes", () => {
    const successes = successesOf(operation);
    expect(successes.length).toBeGreaterThan(0);
    for (const [status, { content = {}, description: meaning }] of successes) {
      expect(meaning).not.toBe("");
      const hasBody = status.startsWith("2") && status !== "204";
      expect(Object.keys(content).length > 0, `${status} has a body`).toBe(hasBody);
      for (const { schema } of Object.values(content)) {
        expect(schema).toBeTypeOf("object");
      }
    }
  });

  it("describes its failures by codes of the catalogue, each under its own status", () => {
    for (const [status, answer] of Object.entries(operation.responses)) {
      if (Number(status) >= 400) {
        expect(answer["x-codes"]?.length, status).toBeGreaterThan(0);
        const media = answer.content?.["application/problem+json"];
        expect(media?.schema.$ref).toBe("#/components/schemas/Problem");
        for (const code of answer["x-codes"] ?? []) {
          expect(ERRORS).toHaveProperty([code]);
          expect(String(errorRow(code).httpStatus)).toBe(status);
          expect(answer.description).toContain(`\`${code}\``);
        }
      }
    }
    if (path !== "/healthz") {
      expect(codesOf(operation)).toContain("internal.error");
      expect(codesOf(operation)).toContain("database.unavailable");
    }
  });

  it("says who may call it, and is guarded so", () => {
    const hasLogin = operation.security.length > 0;
    const permission = operation["x-permission"];
    // The scraper's token is another way in, so that route has a guard of its own.
    const isGuarded = guarded.has(`${method.toUpperCase()} ${path}`) || path === "/metrics";
    expect(isGuarded, "a login is checked where one is described").toBe(hasLogin);
    expect(codesOf(operation).includes("auth.required")).toBe(hasLogin);
    if (permission !== undefined) {
      expect(codesOf(operation)).toContain("auth.forbidden");
      expect(operation.description).toContain(`\`${permission}\``);
    }
    if (!hasLogin) {
      expect(PUBLIC).toContain(`${method.toUpperCase()} ${path}`);
    }
  });

  it("describes its path's parameters", () => {
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
    const described = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
    expect(described.map(({ name }) => name)).toEqual(inPath);
  });
});

describe("the catalogue's codes", () => {
  it("are each documented by an operation, or are general", () => {
    const documented = new Set(operations.flatMap(({ operation }) => codesOf(operation)));
    const answered = (Object.keys(ERRORS) as ErrorCode[]).filter(
      (code) => errorRow(code).httpStatus !== null,
    );
    const general = new Set<string>(GENERAL_CODES);
    expect(answered.filter((code) => !documented.has(code) && !general.has(code))).toEqual([]);
    expect([...documented].filter((code) => general.has(code))).toEqual([]);
  });
});

describe("what holds for many operations", () => {
  it("a POST of somebody who is logged in takes an Idempotency-Key", () => {
    for (const { name, method, operation } of operations) {
      const takesKey = (operation.parameters ?? []).some(
        (parameter) => parameter.name === "Idempotency-Key" && parameter.in === "header",
      );
      expect(takesKey, name).toBe(method === "post" && operation.security.length > 0);
    }
  });

  it("what is read as JSON after a login can be asked for conditionally", () => {
    for (const { name, method, operation } of operations) {
      const json = operation.responses["200"]?.content?.["application/json"];
      const isRead = method === "get" && operation.security.length > 0 && json !== undefined;
      expect(operation.responses["304"] !== undefined, name).toBe(isRead);
    }
  });

  it("every list takes a limit and a cursor", () => {
    const lists = operations.filter(
      ({ method, operation }) => method === "get" && isList(operation),
    );
    expect(lists.length).toBeGreaterThan(3);
    for (const { name, operation } of lists) {
      const names = (operation.parameters ?? []).map((parameter) => parameter.name);
      expect(names, name).toEqual(expect.arrayContaining(["limit", "cursor"]));
    }
  });
});

function isList(operation: Operation): boolean {
  const schema = operation.responses["200"]?.content?.["application/json"]?.schema;
  return schema !== undefined && resolve(schema).properties?.["nextCursor"] !== undefined;
}

function resolve(schema: Schema): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : (description.components.schemas[name] ?? {});
}

/** Needs no login: what is open to everybody, or carries its own credential. */
const PUBLIC = [
  "GET /healthz",
  "GET /readyz",
  "GET /.well-known/jwks.json",
  "POST /api/v1/auth/login",
  "GET /api/v1/auth/methods",
  "GET /api/v1/auth/oidc/{provider}/start",
  "GET /api/v1/auth/oidc/{provider}/callback",
  "POST /api/v1/shares/open",
  "GET /api/v1/vv/{token}",
  "POST /api/v1/relays/enrol",
];

/** No part of OpenAPI: the description itself, and a WebSocket. */
const UNDESCRIBED = ["GET /api/v1/openapi.json", "GET /api/v1/relays/link"];
