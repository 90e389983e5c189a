/** Looking at a stream's beginning without taking it away. */
import { Duplex } from "node:stream";
import { expect, it } from "vitest";
import { lookAtFirstBytes } from "../../../relay/listen/first-bytes.ts";

function stream(): Duplex {
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
}

async function look(source: Duplex): Promise<string> {
  return new Promise((resolve) => {
    lookAtFirstBytes(source, resolve);
  });
}

async function rest(source: Duplex): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of source) {
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString();
}

it.each([["REDQ"], ["REDQ and more"], ["R", "E", "D", "Q"], ["RE", "DQ and", " more"]])(
  "sees four bytes of %j and leaves all of them",
  async (...parts) => {
    const source = stream();
    const seen = look(source);
    for (const part of parts) {
      source.push(part);
      await new Promise(setImmediate);
    }
    expect(await seen).toBe("REDQ");
    source.push(null);
    expect(await rest(source)).toBe(parts.join(""));
    expect(source.listenerCount("readable")).toBe(0);
  },
);

it("sees what was there before", async () => {
  const source = stream();
  source.push("GET / HTTP/1.1");
  expect(await look(source)).toBe("GET ");
});

it.each(["", "R", "RED"])("sees %j when the stream ends after it", async (text) => {
  const source = stream();
  const seen = look(source);
  if (text !== "") {
    source.push(text);
  }
  source.push(null);
  expect(await seen).toBe(text);
});
