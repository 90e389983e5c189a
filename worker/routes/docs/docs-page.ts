/**
 * The API's documentation as one page, made from the description. It works offline and without
 * scripts: nothing is loaded but a style sheet of our own.
 */
import { html } from "hono/html";
import { errorRow } from "#shared/errors/catalogue.ts";
import type { ApiDescription, Operation, Parameter } from "../description/api-description.ts";
import { curlExample } from "./curl-example.ts";
import { headed, type Html, inline, paragraphs, table } from "./docs-text.ts";
import { fieldsView, notesView, typeView } from "./schema-view.ts";

/** @param stylePath where the style sheet is served. */
export function docsPage(
  api: ApiDescription,
  paths: { readonly style: string; readonly description: string },
): Html {
  const groups = groupByTag(api);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${api.info.title} API</title>
        <link rel="stylesheet" href="${paths.style}" />
      </head>
      <body>
        <a class="skip" href="#content">Skip to the content</a>
        <div class="frame">
          <nav aria-label="Operations">${groups.map(navGroup)}${navSchemas(api)}</nav>
          <main id="content">
            <h1>${api.info.title} API, version ${api.info.version}</h1>
            ${paragraphs(api.info.description)}
            <p>
              For programs: <a href="${paths.description}">the same as OpenAPI ${api.openapi}</a>.
            </p>
            ${groups.map((group) => groupView(group, api))}
            <section aria-labelledby="schemas">
              <h2 id="schemas">Schemas</h2>
              ${schemaEntries(api).map(schemaView)}
            </section>
          </main>
        </div>
      </body>
    </html>`;
}

interface Located {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

interface Group {
  readonly name: string;
  readonly description: string;
  readonly operations: readonly Located[];
}

function groupByTag(api: ApiDescription): Group[] {
  const all = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  return api.tags.map(({ name, description = "" }) => ({
    name,
    description,
    operations: all.filter(({ operation }) => operation.tags[0] === name),
  }));
}

function navGroup({ name, operations }: Group): Html {
  return html`<strong><a href="#tag-${slug(name)}">${name}</a></strong>
    <ul>
      ${operations.map(
        ({ operation }) =>
          html`<li><a href="#${operation.operationId}">${operation.operationId}</a></li>`,
      )}
    </ul>`;
}

function navSchemas(api: ApiDescription): Html {
  return html`<strong><a href="#schemas">Schemas</a></strong>
    <ul>
      ${schemaEntries(api).map(([name]) => html`<li><a href="#schema-${name}">${name}</a></li>`)}
    </ul>`;
}

function groupView({ name, description, operations }: Group, api: ApiDescription): Html {
  return html`<section aria-labelledby="tag-${slug(name)}">
    <h2 id="tag-${slug(name)}">${name}</h2>
    ${paragraphs(description)} ${operations.map((located) => operationView(located, api))}
  </section>`;
}

function operationView(located: Located, { components }: ApiDescription): Html {
  const { method, path, operation } = located;
  const { operationId, summary, description = "", parameters = [], requestBody } = operation;
  const body = requestBody?.content["application/json"]?.schema;
  return html`<article id="${operationId}" aria-labelledby="${operationId}-head">
    <h3 id="${operationId}-head">${inline(summary)}</h3>
    <p class="call"><code class="method">${method.toUpperCase()}</code> <code>${path}</code></p>
    ${description === "" ? null : paragraphs(description)}
    ${operation.security.length === 0 ? html`<p class="faint">Needs no login.</p>` : null}
    ${headed("Parameters", table(["name", "type", "meaning"], parameters.map(parameterRow)))}
    ${
      body === undefined
        ? null
        : headed("Body", body.$ref === undefined ? fieldsView(body) : typeView(body))
    }
    ${headed("Answers", table(["status", "body", "meaning"], answerRows(operation)))}
    ${headed("Failures", table(["code", "status", "what to do"], failureRows(operation)))}
    ${headed("Example", html`<pre tabindex="0">${curlExample(located, components)}</pre>`)}
  </article>`;
}

function parameterRow(parameter: Parameter): Html[] {
  const { name, required = false, schema, description = "" } = parameter;
  const isOptional = parameter.in !== "path" && !required;
  return [
    html`<code>${name}</code>
      <span class="faint">${parameter.in}${isOptional ? ", optional" : ""}</span>`,
    typeView(schema),
    notesView(description === "" ? schema : { ...schema, description }),
  ];
}

function answerRows({ responses }: Operation): Html[][] {
  return Object.entries(responses)
    .filter(([, answer]) => answer["x-codes"] === undefined)
    .map(([status, { content = {}, description }]) => [
      html`<code>${status}</code>`,
      html`${Object.entries(content).map(
        ([mediaType, { schema }]) =>
          html`<p>${typeView(schema)} <span class="faint">${mediaType}</span></p>`,
      )}`,
      paragraphs(description),
    ]);
}

/** A failure a row: the code is what programs decide by. */
function failureRows({ responses }: Operation): Html[][] {
  return Object.entries(responses).flatMap(([status, { "x-codes": codes = [] }]) =>
    codes.map((code) => [
      html`<code>${code}</code>`,
      html`<code>${status}</code>`,
      inline(errorRow(code).hint),
    ]),
  );
}

function schemaView([name, schema]: ReturnType<typeof schemaEntries>[number]): Html {
  return html`<article id="schema-${name}" aria-labelledby="schema-${name}-head">
    <h3 id="schema-${name}-head">${name}</h3>
    ${schema.description === undefined ? null : paragraphs(schema.description)}
    ${fieldsView(schema) ?? html`<p>${typeView(schema)}</p>`}
  </article>`;
}

function schemaEntries({ components }: ApiDescription) {
  return Object.entries(components.schemas).sort(([left], [right]) => (left < right ? -1 : 1));
}

function slug(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}
