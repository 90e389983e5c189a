import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { enrolRequestSchema } from "#shared/control/enrolment.ts";
import { enrolRelay } from "../../../relay/control/enrolment.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import {
  answerEnrolment,
  startFakeControlPlane,
} from "../../unit/relay-control/fake-control-plane.ts";
import { startFakeHub } from "./fake-hub.ts";
const MAIN = fileURLToPath(new URL("../../../relay/main.ts", import.meta.url));
it("exp", async () => {
  await using folder = await makeTempFolder();
  await using hub = await startFakeHub();
  const url = `http://127.0.0.1:${hub.port}`;
  await using plane = await startFakeControlPlane(({ body }) =>
    answerEnrolment(url, enrolRequestSchema.parse(body).csr),
  );
  await enrolRelay({
    controlUrl: plane.url,
    joinToken: "kjt",
    name: "relay-1",
    host: "127.0.0.1",
    tlsPort: 5900,
    stateDir: folder.path,
  });
  const child = fork(
    MAIN,
    ["--state-dir", folder.path, "--listen-host", "127.0.0.1", "--listen-port", "0"],
    { stdio: ["ignore", "pipe", "pipe", "ipc"], env: { PATH: process.env["PATH"] }, execArgv: [] },
  );
  let err = "";
  child.stderr?.on("data", (t) => (err += String(t)));
  const socket = await hub.nextSocket();
  await socket.welcome();
  await socket.storeEvents();
  await once(child, "message");
  child.stdout?.destroy();
  await new Promise((r) => setTimeout(r, 200));
  const exit = once(child, "exit");
  const t0 = performance.now();
  for (const seq of [1, 2, 3]) {
    socket.send({
      type: "push",
      seq,
      command: { kind: "terminate", sessionId: "ses_1", reason: "x" },
    });
  }
  const res = await Promise.race([exit, new Promise((r) => setTimeout(() => r("alive"), 4000))]);
  console.log(res, performance.now() - t0, err.length, err.slice(0, 600));
  child.kill("SIGKILL");
}, 20000);
