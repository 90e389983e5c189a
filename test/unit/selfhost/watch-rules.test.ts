import { describe, expect, it } from "vitest";
import {
  isHanging,
  lengthen,
  type Silence,
  type Unanswered,
  WATCH_LIMITS,
} from "../../../worker/selfhost/watch-rules.ts";

const { everyMs, answerMs, questionsMin, silenceMsMin, lateMsMax } = WATCH_LIMITS;

/** Questions one after the other, each of which takes so long, with so long in between. */
function questions(count: number, tookMs: number, pauseMs = everyMs): Unanswered[] {
  return Array.from({ length: count }, (_, index) => {
    const askedAtMs = index * (tookMs + pauseMs);
    return { askedAtMs, endedAtMs: askedAtMs + tookMs };
  });
}

/** What is known after them. */
function after(unanswered: readonly Unanswered[]): Silence | null {
  return unanswered.reduce<Silence | null>(
    (silence, question) => lengthen(silence, question, WATCH_LIMITS),
    null,
  );
}

function hangs(unanswered: readonly Unanswered[]): boolean {
  const silence = after(unanswered);
  return silence !== null && isHanging(silence, WATCH_LIMITS);
}

describe("a part that answers nothing", () => {
  it.each([
    ["four questions that wait in vain", questions(4, answerMs), true],
    ["one fewer", questions(3, answerMs), false],
    ["refusals, as often but not as long", questions(4, 0), false],
    ["refusals for as long", questions(1 + silenceMsMin / everyMs, 0), true],
    [
      "few questions over a long time",
      questions(3, answerMs + lateMsMax, everyMs + lateMsMax),
      false,
    ],
  ])("hangs, or not yet, after %s", (_what, unanswered, expected) => {
    expect(hangs(unanswered)).toBe(expected);
  });

  it("is never ended within a minute", () => {
    for (let tookMs = 0; tookMs <= answerMs; tookMs += 1_000) {
      const many = questions(20, tookMs);
      const count = many.findIndex((_, index) => hangs(many.slice(0, index + 1)));
      expect(many[count]?.endedAtMs).toBeGreaterThanOrEqual(60_000);
      expect(count + 1).toBeGreaterThanOrEqual(questionsMin);
    }
  });

  it("is given all its time anew when this process was late itself, in a question or between two", () => {
    const before = questions(questionsMin - 1, answerMs);
    const { endedAtMs } = before.at(-1) ?? { endedAtMs: 0 };
    const askedAtMs = endedAtMs + everyMs;
    const slow = { askedAtMs, endedAtMs: askedAtMs + answerMs + lateMsMax + 1 };
    expect(after([...before, slow])).toBeNull();

    const lateMs = endedAtMs + everyMs + lateMsMax + 1;
    const late = { askedAtMs: lateMs, endedAtMs: lateMs + answerMs };
    expect(after([...before, late])).toEqual({
      sinceMs: late.askedAtMs,
      untilMs: late.endedAtMs,
      questions: 1,
    });
  });
});
