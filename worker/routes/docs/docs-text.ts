/** Small pieces of the documentation's page. Everything that is put in is escaped by `html`. */
import { html } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

/** What `html` gives: text, or a promise of it where a part is one. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

/** Descriptions as the API's description has them: paragraphs, and `code` between backticks. */
export function paragraphs(text: string): Html {
  return html`${text.split("\n\n").map((paragraph) => html`<p>${inline(paragraph)}</p>`)}`;
}

/** One paragraph's text. */
export function inline(text: string): Html {
  const parts = text.split(/`([^`]*)`/);
  return html`${parts.map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}

/** A table with a row header; null where it would have no rows. */
export function table(heads: readonly string[], rows: readonly (readonly Html[])[]): Html | null {
  if (rows.length === 0) {
    return null;
  }
  return html`<table>
    <thead>
      <tr>
        ${heads.map((head) => html`<th scope="col">${head}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(tableRow)}
    </tbody>
  </table>`;
}

/** A headed part, or nothing where there is nothing to show. */
export function headed(head: string, content: Html | null): Html | null {
  return content === null
    ? null
    : html`<h4>${head}</h4>
        ${content}`;
}

function tableRow([first, ...rest]: readonly Html[]): Html {
  return html`<tr>
    <th scope="row">${first}</th>
    ${rest.map((cell) => html`<td>${cell}</td>`)}
  </tr>`;
}
