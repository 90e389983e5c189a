/** Where the Worker's outgoing connections go, and whom they trust, on each host of one's own machine. */
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { DURABLE_OBJECTS, PUBLIC_EGRESS_BINDING } from "../../../worker/deployment.ts";
import { startLocalWorker } from "../../../worker/dev/local-worker.ts";
import { renderWorkerdConfig } from "../../../worker/selfhost/workerd-config.ts";
import { WATCH_LIMITS } from "../../../worker/selfhost/watch-rules.ts";
import { workerdPart } from "../../../worker/selfhost/workerd-part.ts";
import { makeCa, type ServerCertificate } from "../../harness/certificates.ts";
import { freePort } from "../../harness/stack.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

/** A Worker that tells what it got from the URL in its query, by its own way out or by another. */
const SCRIPT = `
${DURABLE_OBJECTS.map(({ className }) => `export class ${className} {}`).join("\n")}
export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url);
    const way = searchParams.has("public") ? env.${PUBLIC_EGRESS_BINDING} : { fetch: (target) => fetch(target) };
    try {
      return await way.fetch(searchParams.get("url"));
    } catch (error) {
      return new Response("refused: " + error.message, { status: 502 });
    }
  },
};`;

/** Runs the Worker with one more authority to trust, and asks it for each URL. */
type AskThroughHost = (
  given: Given,
) => Promise<{ readonly status: number; readonly text: string }[]>;

interface Given {
  readonly folder: string;
  readonly port: number;
  readonly authority: ServerCertificate;
  /** Queries of the Worker. */
  readonly queries: readonly string[];
}

const throughMiniflare: AskThroughHost = async ({ folder, port, authority, queries }) => {
  const worker = await startLocalWorker({
    script: SCRIPT,
    host: "127.0.0.1",
    port,
    hubFolder: `${folder}/hub`,
    bindings: {},
    outboundCaFile: authority.caFile,
  });
  try {
    return await askAll(port, queries);
  } finally {
    await worker.stop();
  }
};

const throughWorkerd: AskThroughHost = async ({ folder, port, authority, queries }) => {
  await mkdir(`${folder}/hub`);
  await writeFile(`${folder}/worker.js`, SCRIPT);
  const config = renderWorkerdConfig({
    host: "127.0.0.1",
    port,
    scriptFile: "worker.js",
    storageFolder: `${folder}/hub`,
    settings: [],
    trustedCertificates: [readFileSync(authority.caFile, "utf8")],
    withPublicEgress: true,
  });
  await writeFile(`${folder}/config.capnp`, config);
  const running = workerdPart({
    configFile: `${folder}/config.capnp`,
    environment: {},
    asking: { url: `http://127.0.0.1:${port}`, limits: WATCH_LIMITS },
  }).begin();
  try {
    await running.ready;
    return await askAll(port, queries);
  } finally {
    await running.stop();
  }
};

it.each([
  ["npm start", throughMiniflare],
  ["npm run selfhost", throughWorkerd],
])("%s: those of the authority that was named, no stranger's", async (_host, ask) => {
  await using folder = await makeTempFolder();
  const [authority, other] = [await makeCa("The cloud's"), await makeCa("A stranger's")];
  await using known = await serve(await authority.issue(folder.file("known")));
  await using stranger = await serve(await other.issue(folder.file("stranger")));
  const [trusted, refused] = await ask({
    folder: folder.path,
    port: await freePort(),
    authority: known.certificate,
    queries: [`url=${known.url}`, `url=${stranger.url}`],
  });
  expect(trusted).toEqual({ status: 200, text: "of the private cloud" });
  expect(refused?.status).toBe(502);
});

it("npm run selfhost: the way for public addresses reaches no private one, by number or by name", async () => {
  await using folder = await makeTempFolder();
  const authority = await makeCa();
  await using inside = await serve(await authority.issue(folder.file("inside")));
  const { port } = new URL(inside.url);
  const answers = await throughWorkerd({
    folder: folder.path,
    port: await freePort(),
    authority: inside.certificate,
    queries: [
      `url=${inside.url}`,
      `public&url=${inside.url}`,
      `public&url=https://127.0.0.1:${port}/`,
    ],
  });
  expect(answers.map(({ status }) => status)).toEqual([200, 502, 502]);
});

async function askAll(port: number, queries: readonly string[]) {
  const answers: { status: number; text: string }[] = [];
  for (const query of queries) {
    const answer = await fetch(`http://127.0.0.1:${port}/?${query}`);
    answers.push({ status: answer.status, text: await answer.text() });
  }
  return answers;
}

async function serve(certificate: ServerCertificate) {
  const { certificatePem: cert, keyPem: key } = certificate;
  const server = createServer({ cert, key }, (_request, response) => {
    response.end("of the private cloud");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    certificate,
    url: `https://localhost:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
