/**
 * `npm run bench -- [start|relay|real|selfhost|access|control] [--json] …`: measures, and prints a table or, with `--json`, one object.
 * No name stands for `start`. Nothing here fails because of a figure: a benchmark is no test.
 */
import { runAccessBench } from "./access/access-bench.ts";
import { runControlBench } from "./control/control-bench.ts";
import { runRealBench } from "./real/real-bench.ts";
import { runRelayBench } from "./relay/relay-bench.ts";
import { runSelfhostBench } from "./selfhost-bench.ts";
import { runStartBench } from "./start-and-ticket.ts";

async function main(args: readonly string[]): Promise<void> {
  const [name, rest] =
    args[0] === undefined || args[0].startsWith("--") ? ["start", args] : [args[0], args.slice(1)];
  if (name === "start") {
    await runStartBench(rest);
  } else if (name === "relay") {
    await runRelayBench(rest);
  } else if (name === "real") {
    await runRealBench(rest);
  } else if (name === "selfhost") {
    await runSelfhostBench(rest);
  } else if (name === "access") {
    await runAccessBench(rest);
  } else if (name === "control") {
    await runControlBench(rest);
  } else {
    throw new Error(
      `there is no benchmark "${name}": start, relay, real, selfhost, access or control`,
    );
  }
}

await main(process.argv.slice(2));
