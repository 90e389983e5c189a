/** The kerbside command inside the test's own process: what it prints, says and ends with. */
import { runKerbside } from "../../../relay/cli/kerbside.ts";
import { readEnvironment } from "../../../relay/cli/environment.ts";
import { writeLogin } from "../../../relay/cli/login-file.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import {
  type FakeAnswer,
  type HeardRequest,
  startFakeControlPlane,
} from "../relay-control/fake-control-plane.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly heard: readonly HeardRequest[];
}

/** Runs one command line, logged in, against a control plane that answers so. */
export async function run(
  args: readonly string[],
  answer: (request: HeardRequest) => FakeAnswer | undefined,
  interrupted: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  await using folder = await makeTempFolder();
  await using plane = await startFakeControlPlane(answer);
  const environment = readEnvironment({ XDG_CONFIG_HOME: folder.path, HOME: folder.path });
  const expiresAt = "2026-03-01T12:00:00.000Z";
  await writeLogin(environment.loginFile, { url: plane.url, token: "kbt1_x", expiresAt });
  const said = { stdout: "", stderr: "" };
  const code = await runKerbside(args, {
    environment,
    print: (text) => {
      said.stdout += text;
    },
    note: (text) => {
      said.stderr += text;
    },
    untilInterrupted: () => interrupted,
  });
  return { code, ...said, heard: [...plane.heard] };
}
