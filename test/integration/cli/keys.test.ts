/** `kerbside keys …` and `kerbside relays keys` against the Worker in workerd, with a linked relay. */
import { expect, it } from "vitest";
import { ControlClient } from "../../harness/control-client.ts";
import { LinkedRelay } from "../../harness/linked-relay.ts";
import { startLocalControl } from "../../harness/local-control.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { kerbside } from "../../unit/cli/kerbside-command.ts";

const PASSWORD = "correct horse battery";

it("shows keys, and changes them when it may be", { timeout: 90_000 }, async () => {
  await using control = await startLocalControl();
  await control.makeUser("root", PASSWORD, "admin");
  const client = new ControlClient(control.url);
  await client.logIn("root", PASSWORD);
  await using folder = await makeTempFolder();
  await using relay = await LinkedRelay.start(client, folder.file("relay"));
  const run = async (...args: string[]) =>
    await kerbside(folder, [...args, "--url", control.url, "--username", "root"], PASSWORD);
  const states = async () => {
    const listed = await run("keys", "list");
    return listed.stdout.split("\n").flatMap((line) => /^\S+ +([a-z]+) /.exec(line)?.[1] ?? []);
  };

  expect((await states()).sort()).toEqual(["active", "next"]);
  const early = await run("keys", "rotate");
  expect(early).toMatchObject({ code: 1, stdout: "" });
  expect(early.stderr).toMatch(/It can sign in [0-9]+ seconds\..*signing-key\.not-published/s);
  const rotated = await run("keys", "rotate", "--emergency");
  expect(rotated).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S+\n$/) });
  expect((await states()).sort()).toEqual(["active", "next", "retired", "retired"]);
  const stale = await run("keys", "rotate", "--emergency", "--if-active", "another");
  expect(stale.stderr).toContain("signing-key.changed");

  const before = await run("relays", "keys", "smoke");
  expect(before.stdout).toMatch(/\n1 +issued +20\S+ +\S+ +-\n$/);
  expect(await run("relays", "rotate-ticket-key", relay.id)).toMatchObject({
    code: 0,
    stderr: "Its tickets are of epoch 2 from now on.\n",
  });
  const again = await run("relays", "rotate-ticket-key", "smoke");
  expect(again).toMatchObject({ code: 1 });
  expect(again.stderr).toContain("relay.ticket-key-too-young");
});
