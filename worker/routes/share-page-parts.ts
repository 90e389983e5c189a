/** What the page of a link for guests is made of. The script runs in a browser, as it stands here. */
import { SHARE_PAGE_PATH } from "../services/shares.ts";

export const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Open a console - Kerbside</title>
    <link rel="stylesheet" href="${SHARE_PAGE_PATH}/page.css">
    <script src="${SHARE_PAGE_PATH}/page.js" defer></script>
  </head>
  <body>
    <main>
      <h1>A console was shared with you</h1>
      <p>The button downloads a console file. Open it within two minutes with a SPICE client such as
        virt-viewer's remote-viewer.</p>
      <p><button type="button" id="open" disabled>Open the console</button></p>
      <p id="status" role="status">This page needs JavaScript.</p>
    </main>
  </body>
</html>
`;

export const SCRIPT = `"use strict";
const button = document.getElementById("open");
const status = document.getElementById("status");

/** Opens the link once: the API answers where the console file waits. */
async function openConsole() {
  const response = await fetch("/api/v1/shares/open", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token: location.hash.slice(1) }),
    credentials: "omit",
  }).catch(() => {
    throw new Error("The server cannot be reached.");
  });
  const answer = await response.json().catch(() => ({ title: "The server did not answer." }));
  if (!response.ok) {
    throw new Error([answer.title, answer.detail].filter(Boolean).join(" "));
  }
  location.assign(answer.vvUrl);
}

button.addEventListener("click", async () => {
  button.disabled = true;
  status.textContent = "Asking for the console...";
  try {
    await openConsole();
    status.textContent = "The console file is on its way.";
  } catch (error) {
    status.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

if (location.hash.length > 1) {
  button.disabled = false;
  status.textContent = "";
} else {
  status.textContent = "The link is not whole: copy all of it, with what follows the # sign.";
}
`;

export const STYLE = `body { font-family: system-ui, sans-serif; line-height: 1.5; margin: 0; }
main { margin: 10vh auto; max-width: 36rem; padding: 0 1rem; }
button { font: inherit; padding: 0.5rem 1rem; }
`;
