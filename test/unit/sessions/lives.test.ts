import { describe, expect, it } from "vitest";
import { Lives } from "../../../relay/sessions/lives.ts";
import type { LivingSession } from "../../../relay/sessions/living-session.ts";

function session(name: string, consoleId: string): LivingSession & { isEnding: boolean } {
  const grant = { sessionId: name, ticketHash: `hash ${name}`, consoleId };
  const made = { sessionId: name, label: `label ${name}`, grant, isEnding: false };
  return made as unknown as LivingSession & { isEnding: boolean };
}

describe("the tables of living sessions", () => {
  it("find a session by all that it is known by, until it is removed", async () => {
    const lives = new Lives();
    const one = session("one", "c");
    lives.add(one);
    lives.renumber(one, 7, null);
    const find = (): unknown[] => [
      lives.find("one"),
      lives.findByTicket("hash one"),
      lives.findByLabel("label one"),
      lives.findByConsole("c"),
      lives.findByConnectionId(7),
    ];
    expect(find()).toEqual([one, one, one, one, one]);
    const none = lives.untilNone();
    lives.renumber(one, null, 7);
    lives.remove(one);
    await none;
    expect(find()).toEqual([null, null, null, null, null]);
    await lives.untilNone();
  });

  it("let a console's next session in while the one before is ending, and keep it", () => {
    const lives = new Lives();
    const [one, two] = [session("one", "c"), session("two", "c")];
    lives.add(one);
    expect(() => lives.add(two)).toThrow("one session");
    one.isEnding = true;
    lives.add(two);
    lives.remove(one);
    lives.remove(one);
    expect(lives.findByConsole("c")).toBe(two);
    expect(lives.ids()).toEqual(["two"]);
  });
});
