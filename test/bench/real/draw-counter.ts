/**
 * A viewer that draws nothing: it gives a server of SPICE the answers without which it would stop
 * sending (acknowledgements, echoes of its pings) and counts what comes. Not spice-gtk, because that
 * one sees only a part of what another proxy puts into one TLS record.
 */
import type { Duplex } from "node:stream";
import { encodeMiniHeader, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import { parseMainInit } from "#shared/spice/main-init.ts";
import { withDeadline } from "../../harness/deadline.ts";
import type { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import type { Entry } from "./ways.ts";

/** What came on the display channel so far. Its end closes the session. */
export interface DrawCounter extends AsyncDisposable {
  readonly byteCount: number;
  readonly messageCount: number;
}

/** Links main and display; the first picture has begun to come when this resolves. */
export async function openDrawCounter(entry: Entry): Promise<DrawCounter> {
  const main = await entry.connect();
  await link(main, entry, "main", 0);
  const session = Promise.withResolvers<number>();
  answer(main.stream, (type, body) => {
    if (type === MAIN_INIT) {
      session.resolve(parseMainInit(body).sessionId);
    }
  });
  const connectionId = await withDeadline(session.promise, ANSWER_TIMEOUT_MS, "main's first word");
  const display = await entry.connect();
  await link(display, entry, "display", connectionId);
  const counted = { byteCount: 0, messageCount: 0 };
  const drawing = Promise.withResolvers<null>();
  answer(display.stream, (_type, _body, sizeBytes) => {
    counted.byteCount += sizeBytes;
    counted.messageCount += 1;
    drawing.resolve(null);
  });
  // No cache and no dictionary: what the server sends needs nothing that was sent before.
  display.send(message(DISPLAY_INIT, Buffer.alloc(DISPLAY_INIT_BYTES)));
  await withDeadline(drawing.promise, ANSWER_TIMEOUT_MS, "the display's first message");
  return Object.assign(counted, {
    [Symbol.asyncDispose]: async () => {
      display.destroy();
      main.destroy();
      await Promise.all([display.closed, main.closed]);
    },
  });
}

async function link(
  client: FakeSpiceClient,
  entry: Entry,
  channel: "main" | "display",
  connectionId: number,
): Promise<void> {
  const options = { channel, connectionId, channelCapabilities: [0] };
  const refusal = await client.link(entry.password, options);
  if (refusal !== "OK") {
    throw new Error(`${channel} was refused: ${refusal}`);
  }
}

/** Reads to the stream's end, answers what each channel must, and tells of every message. */
function answer(
  stream: Duplex,
  onMessage: (type: number, body: Buffer, sizeBytes: number) => void,
): void {
  const ack = { window: 0, seen: 0 };
  readMessages(stream, (type, body, sizeBytes) => {
    onMessage(type, body, sizeBytes);
    ack.seen += 1;
    if (type === PING) {
      stream.write(message(PONG, body.subarray(0, PONG_BYTES)));
    } else if (type === SET_ACK) {
      ack.window = body.readUInt32LE(4);
      ack.seen = 0;
      stream.write(message(ACK_SYNC, body.subarray(0, 4)));
    } else if (ack.window > 0 && ack.seen >= ack.window) {
      ack.seen = 0;
      stream.write(message(ACK, Buffer.alloc(0)));
    }
  });
}

/** Cuts a stream into messages; of a long one only the first bytes of its body are given. */
function readMessages(
  stream: Duplex,
  onMessage: (type: number, body: Buffer, sizeBytes: number) => void,
): void {
  let unread: Buffer = Buffer.alloc(0);
  let skipped = 0;
  stream.on("data", (chunk: Buffer) => {
    const skippedNow = Math.min(skipped, chunk.length);
    skipped -= skippedNow;
    const rest = chunk.subarray(skippedNow);
    unread = unread.length === 0 ? rest : Buffer.concat([unread, rest]);
    let at = 0;
    while (unread.length - at >= MINI_HEADER_BYTES) {
      const type = unread.readUInt16LE(at);
      const sizeBytes = unread.readUInt32LE(at + 2);
      const start = at + MINI_HEADER_BYTES;
      if (unread.length < start + Math.min(sizeBytes, BODY_BYTES_KEPT)) {
        break;
      }
      const end = start + sizeBytes;
      const kept = unread.subarray(start, Math.min(end, start + BODY_BYTES_KEPT));
      onMessage(type, kept, MINI_HEADER_BYTES + sizeBytes);
      skipped = Math.max(0, end - unread.length);
      at = Math.min(end, unread.length);
    }
    unread = unread.subarray(at);
  });
}

function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([encodeMiniHeader({ type, sizeBytes: body.length }), body]);
}

/** From spice.proto: the messages that every channel has, and the two that begin a session. */
const SET_ACK = 3;
const PING = 4;
const ACK_SYNC = 1;
const ACK = 2;
const PONG = 3;
const MAIN_INIT = 103;
const DISPLAY_INIT = 101;
const DISPLAY_INIT_BYTES = 14;
const PONG_BYTES = 12;
const BODY_BYTES_KEPT = 64;
const ANSWER_TIMEOUT_MS = 15_000;
