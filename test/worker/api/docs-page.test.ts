/** The API's documentation as a page: whole, offline, and strict about what it loads. */
import { describe, expect, it } from "vitest";
import type { ApiDescription } from "../../../worker/routes/description/api-description.ts";
import { docsPage } from "../../../worker/routes/docs/docs-page.ts";
import { call, ORIGIN } from "./api-client.ts";

const page = async () => await call(`${ORIGIN}/api/docs`);

describe("the documentation's page", () => {
  it("may load our own style sheet and nothing else", async () => {
    const { headers } = await page();
    expect(headers.get("Content-Type")).toContain("text/html");
    expect(headers.get("Content-Security-Policy")).toBe(
      "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
  });

  it("loads nothing that its policy would stop", async () => {
    const html = await (await page()).text();
    expect(html).not.toMatch(/<script|<style|\sstyle=|\son[a-z]+=|<iframe|<img/i);
    const loaded = [...html.matchAll(/<link [^>]*href="([^"]+)"/g)].map((match) => match[1]);
    expect(loaded).toEqual(["/api/docs/style.css"]);
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    const style = await call(`${ORIGIN}/api/docs/style.css`);
    expect(style.headers.get("Content-Type")).toBe("text/css; charset=utf-8");
    expect(await style.text()).not.toMatch(/url\(|@import/);
  });

  it("shows every operation and schema, and its links lead to them", async () => {
    const html = await (await page()).text();
    const description = (await (await call("/openapi.json")).json()) as ApiDescription;
    const ids = new Set([...html.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]));
    for (const methods of Object.values(description.paths)) {
      for (const { operationId } of Object.values(methods)) {
        expect(ids).toContain(operationId);
      }
    }
    for (const name of Object.keys(description.components.schemas)) {
      expect(ids).toContain(`schema-${name}`);
    }
    const targets = [...html.matchAll(/href="#([^"]+)"/g)].map((match) => match[1]);
    expect(targets.filter((target) => !ids.has(target))).toEqual([]);
    expect(targets.length).toBeGreaterThan(50);
  });

  it("has parameters, failures and an example to copy", async () => {
    const html = await (await page()).text();
    const [, article = ""] = /<article id="createConsole"(.*?)<\/article>/s.exec(html) ?? [];
    expect(article).toContain("consoles.manage");
    expect(article).toContain("Idempotency-Key");
    expect(article).toContain("resource.conflict");
    expect(article).toContain("curl &quot;$URL/api/v1/consoles&quot;");
    expect(article).toContain('href="#schema-NewConsole"');
  });

  it("is not sent again to who has it", async () => {
    const first = await page();
    const tag = first.headers.get("ETag") ?? "";
    expect(first.headers.get("Cache-Control")).toBe("no-cache");
    const again = await call(`${ORIGIN}/api/docs`, { headers: { "If-None-Match": tag } });
    expect(again.status).toBe(304);
    expect(again.headers.get("Content-Security-Policy")).toContain("style-src 'self'");
  });

  it("shows text as text", async () => {
    const hostile = "<script>alert(1)</script> `<b>`";
    const html = await docsPage(
      {
        openapi: "3.1.0",
        info: { title: "<i>", version: "1", description: hostile },
        servers: [],
        tags: [{ name: "Tag", description: hostile }],
        paths: {
          "/x": {
            get: {
              operationId: "readX",
              tags: ["Tag"],
              summary: hostile,
              security: [],
              responses: { "200": { description: hostile } },
            },
          },
        },
        components: { schemas: { Thing: { type: "string", description: hostile } } },
      },
      { style: "s", description: "d" },
    );
    expect(String(html)).not.toContain("<script");
    expect(String(html)).not.toContain("<i>");
    expect(String(html)).toContain("<code>&lt;b&gt;</code>");
  });
});
