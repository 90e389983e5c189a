/** That the Worker can be deployed to Cloudflare, as far as that shows without an account. */
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { DURABLE_OBJECTS } from "../../../worker/deployment.ts";
import { runToEnd } from "../../harness/child-process.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

it("bundles and binds as for a deployment, and asks nobody", { timeout: 60_000 }, async () => {
  await using folder = await makeTempFolder();
  await using proxy = await startProxy();
  const wrangler = await runToEnd(
    {
      command: process.execPath,
      args: [
        ...[WRANGLER, "deploy", "--dry-run", "--config", join(PROJECT_ROOT, "wrangler.toml")],
        ...["--outdir", folder.file("out")],
      ],
      env: {
        HOME: folder.path,
        NO_COLOR: "1",
        XDG_CONFIG_HOME: folder.path,
        WRANGLER_HIDE_BANNER: "true",
        WRANGLER_SEND_METRICS: "false",
        WRANGLER_SEND_ERROR_REPORTS: "false",
        CLOUDFLARE_CF_FETCH_ENABLED: "false",
        // Whatever it wanted of the world would come here.
        HTTP_PROXY: proxy.url,
        HTTPS_PROXY: proxy.url,
        NO_PROXY: "",
      },
    },
    50_000,
  );
  const complaints = wrangler.stderr
    .split("\n")
    .filter((line) => line !== "" && !line.includes("Proxy environment variables detected"));
  expect(complaints).toEqual([]);
  expect(wrangler.code).toBe(0);
  for (const { binding, className } of DURABLE_OBJECTS) {
    expect(wrangler.stdout).toContain(`env.${binding} (${className})`);
  }
  expect(await readdir(folder.file("out"))).toContain("index.js");
  expect(proxy.requests).toEqual([]);
});

/** A proxy that refuses everything and remembers what it was asked for. */
async function startProxy() {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.writeHead(403).end();
  });
  server.on("connect", (request, socket) => {
    requests.push(`CONNECT ${request.url}`);
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

const PROJECT_ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const WRANGLER = join(
  dirname(createRequire(import.meta.url).resolve("wrangler/package.json")),
  "bin/wrangler.js",
);
