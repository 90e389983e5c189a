/** The script of the page of a link, in a browser that is none. */
import { createContext, runInContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { SCRIPT } from "../../../worker/routes/share-page-parts.ts";

interface Answer {
  readonly ok: boolean;
  readonly json: () => Promise<unknown>;
}

/** The page, opened at an address; the API answers as it is told. */
function openPage(hash: string, answer: () => Promise<Answer>) {
  const button = { disabled: true, click: async () => {} };
  const status = { textContent: "" };
  const asked: { url: string; init: Record<string, unknown> }[] = [];
  const visited: string[] = [];
  const elements = {
    open: {
      get disabled() {
        return button.disabled;
      },
      set disabled(value: boolean) {
        button.disabled = value;
      },
      addEventListener: (_type: string, listen: () => Promise<void>) => {
        button.click = listen;
      },
    },
    status,
  };
  runInContext(
    SCRIPT,
    createContext({
      document: { getElementById: (id: keyof typeof elements) => elements[id] },
      location: { hash, assign: (url: string) => visited.push(url) },
      fetch: async (url: string, init: Record<string, unknown>) => {
        asked.push({ url, init });
        return await answer();
      },
    }),
  );
  return { button, status, asked, visited };
}

const answerWith = (ok: boolean, body: unknown) => async () => ({ ok, json: async () => body });

describe("the page of a link", () => {
  it("opens nothing by itself, and the console when the guest asks for it", async () => {
    const vvUrl = "https://kerbside.test/api/v1/vv/kvv1_x";
    const page = openPage("#ksl1_token", answerWith(true, { vvUrl }));
    expect(page.button.disabled).toBe(false);
    expect(page.asked).toEqual([]);
    await page.button.click();
    expect(page.asked).toMatchObject([
      { url: "/api/v1/shares/open", init: { method: "POST", credentials: "omit" } },
    ]);
    expect(JSON.parse(String(page.asked[0]?.init["body"]))).toEqual({ token: "ksl1_token" });
    expect(page.visited).toEqual([vvUrl]);
    expect(page.status.textContent).toBe("The console file is on its way.");
  });

  it("says why it does not open, and may be asked again", async () => {
    const problem = { title: "The link is gone.", detail: "Ask for another." };
    const page = openPage("#ksl1_token", answerWith(false, problem));
    await page.button.click();
    expect(page.status.textContent).toBe("The link is gone. Ask for another.");
    expect(page.button.disabled).toBe(false);
    expect(page.visited).toEqual([]);
  });

  it.each([
    ["cannot be reached", async () => await Promise.reject(new TypeError("failed to fetch"))],
    [
      "answers no JSON",
      async () => ({ ok: false, json: async () => await Promise.reject(new Error("no JSON")) }),
    ],
  ])("says that the server %s", async (_what, answer) => {
    const page = openPage("#ksl1_token", answer);
    await page.button.click();
    expect(page.status.textContent).toMatch(/^The server (cannot be reached|did not answer)\.$/);
  });

  it("asks for the whole link where the token is missing", () => {
    const page = openPage("", answerWith(true, {}));
    expect(page.button.disabled).toBe(true);
    expect(page.status.textContent).toMatch(/^The link is not whole/);
  });
});
