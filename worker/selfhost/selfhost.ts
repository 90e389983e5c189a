/**
 * `npm run selfhost`: the control plane on a host of one's own, as plain workerd and a libSQL
 * database. This process prepares and supervises; whatever ends is started again. Progress and the
 * Worker's log go to standard error; standard output is for the one line that scripts read.
 */
import { existsSync } from "node:fs";
import { FIRST_ADMIN, type StateFolder } from "../dev/state-folder.ts";
import { exitCodeOf, nextStopSignal, refuse, sentenceOf, tell } from "../dev/terminal.ts";
import { Host } from "./host.ts";
import { httpUrl, parseSelfhostOptions, type SelfhostOptions, USAGE } from "./options.ts";
import { openSelfhostState } from "./selfhost-state.ts";

async function main(args: readonly string[]): Promise<number> {
  const options = parseSelfhostOptions(args, process.env);
  if (!options.ok) {
    return refuse(`${options.error}\n\n${USAGE}`, 2);
  }
  if (options.value.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  // Also what workerd and SQLite make is nobody else's to read.
  process.umask(0o077);
  const state = openSelfhostState(options.value.stateDir);
  const stopSignal = nextStopSignal();
  try {
    state.open({ reset: false });
  } catch (error) {
    return refuse(sentenceOf(error), 1);
  }
  const host = new Host(options.value, state, process.env);
  try {
    const starting = host.start();
    starting.catch(() => null);
    if (typeof (await Promise.race([starting, stopSignal])) === "string") {
      return 0;
    }
    report(options.value, state);
    const gaveUp = host.gaveUp.then((sentence) => refuse(sentence, 1));
    return await Promise.race([stopSignal.then(() => 0), gaveUp]);
  } catch (error) {
    return refuse(sentenceOf(error), exitCodeOf(error));
  } finally {
    tell("Stopping …");
    await host.stop();
    state.close();
  }
}

function report(options: SelfhostOptions, state: StateFolder): void {
  const { host, port, publicUrl } = options;
  const url = httpUrl(host, port);
  const { adminPasswordFile } = state;
  const hasPasswordFile = existsSync(adminPasswordFile);
  tell(`Kerbside serves at ${url}${publicUrl === url ? "" : `, for ${publicUrl}`}.`);
  if (publicUrl.startsWith("http:") && !/^http:\/\/(127\.|\[::1\])/.test(publicUrl)) {
    tell(
      "Passwords and tokens cross the network unencrypted: put a reverse proxy with TLS in front.",
    );
  }
  if (hasPasswordFile) {
    tell(`Log in as the first admin, whose password is in ${adminPasswordFile}:`);
    tell(
      `  npx kerbside login --url ${publicUrl} --username ${FIRST_ADMIN} ` +
        `--password-file ${adminPasswordFile}`,
    );
  }
  if (options.json) {
    const ready = {
      url,
      publicUrl,
      adminUser: FIRST_ADMIN,
      adminPasswordFile: hasPasswordFile ? adminPasswordFile : null,
    };
    process.stdout.write(`${JSON.stringify(ready)}\n`);
  }
}

// Last, when every constant above has its value.
process.exitCode = await main(process.argv.slice(2));
