/** The answer's form, and that there is one. */
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { expect, it } from "vitest";
import { withLimits } from "../../../relay/limits.ts";
import { Arrival } from "../../../relay/listen/arrival.ts";
import { encodeHttpAnswer, makeHttpParser } from "../../../relay/listen/http-answer.ts";

it("says how long it is, that nothing may keep it, and that it is the last", () => {
  const answer = encodeHttpAnswer({ status: 405, text: "Don’t.", headers: { Allow: "CONNECT" } });
  const [head = "", body] = answer.split("\r\n\r\n");
  expect(head.split("\r\n")).toEqual([
    "HTTP/1.1 405 Method Not Allowed",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Length: 9",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Allow: CONNECT",
    "Connection: close",
  ]);
  expect(body).toBe("Don’t.\n");
});

it("is followed by no further reading of requests", async () => {
  const [client, server] = duplexPair();
  const outcomes = { onConnection() {}, onRefused() {} };
  const arrival = new Arrival(server as Socket, { ref: "r", clientAddress: "c" }, outcomes);
  let requests = 0;
  const parser = makeHttpParser({
    limits: withLimits(),
    onRequest: (_request, stream) => {
      requests += 1;
      const answer = { stream, bytes: "answer", lingerMs: 60_000 };
      arrival.answer({ code: "link.http-invalid", detail: "" }, answer);
    },
    onInvalid() {},
    onLost() {},
  });
  parser.emit("connection", server);
  const closed = new Promise((resolve) => server.once("close", resolve));
  const received: Buffer[] = [];
  client.on("data", (chunk: Buffer) => received.push(chunk));
  client.write("GET / HTTP/1.1\r\n\r\n");
  await new Promise(setImmediate);
  client.write("GET / HTTP/1.1\r\n\r\n".repeat(9));
  client.end();
  await closed;
  expect(requests).toBe(1);
  expect(Buffer.concat(received).toString()).toBe("answer");
});
