/**
 * The test card as a SPICE server, seen by a client made of the codec: each refusal of the link, the
 * one session at a time, both kinds of header, and a client that is slow or hostile.
 */
import { constants, createPublicKey, publicEncrypt } from "node:crypto";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { concatBytes, utf8 } from "#shared/base/bytes.ts";
import { CHANNEL_TYPE, type ChannelName } from "#shared/spice/channel-names.ts";
import { messageRow } from "#shared/spice/channel-table.ts";
import { encodeFullHeader, encodeMiniHeader, decodeFullHeader } from "#shared/spice/header.ts";
import { decodeMiniHeader, FULL_HEADER_BYTES, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import * as link from "#shared/spice/link.ts";
import { MAIN_INIT_BYTES, parseMainInit } from "#shared/spice/main-init.ts";
import { ExactReader } from "../../../worker/dev/demo/test-card/exact-reader.ts";
import { startTestCard, type TestCard } from "../../../worker/dev/demo/test-card/test-card.ts";

describe("test card's link", () => {
  it.each([
    ["another magic", { at: 0, value: 0x51 }, link.LINK_ERROR.INVALID_MAGIC],
    ["another major version", { at: 4, value: 3 }, link.LINK_ERROR.VERSION_MISMATCH],
    ["a body that is too short", { at: 12, value: 1 }, link.LINK_ERROR.INVALID_DATA],
    ["a body that is too long", { at: 14, value: 1 }, link.LINK_ERROR.INVALID_DATA],
  ])("refuses %s", async (_name, { at, value }, error) => {
    await using card = await testCard();
    const bytes = linkMessage("main", 0);
    bytes[at] = value;
    await using client = dial(card.port);
    client.socket.write(bytes);
    expect((await readReply(client.reader)).error).toBe(error);
    expect(await client.reader.read(1)).toBe(null);
  });

  it("refuses a channel that it does not have", async () => {
    await using card = await testCard();
    await using client = dial(card.port);
    client.socket.write(linkMessage("playback", 0));
    const { error } = await readReply(client.reader);
    expect(error).toBe(link.LINK_ERROR.CHANNEL_NOT_AVAILABLE);
  });

  it.each(["", "sekre", "sekret2", "SEKRET"])("refuses the password %j", async (password) => {
    await using card = await testCard();
    await using client = dial(card.port);
    const result = await authenticate(client, linkMessage("main", 0), password);
    expect(result).toBe(link.LINK_ERROR.PERMISSION_DENIED);
    expect(await client.reader.read(1)).toBe(null);
  });

  it("refuses bytes that are no ticket", async () => {
    await using card = await testCard();
    await using client = dial(card.port);
    client.socket.write(linkMessage("main", 0));
    await readReply(client.reader);
    client.socket.write(link.encodeAuthMechanism(link.AUTH_MECHANISM.spice));
    client.socket.write(new Uint8Array(link.ENCRYPTED_TICKET_BYTES));
    expect(await readResult(client.reader)).toBe(link.LINK_ERROR.PERMISSION_DENIED);
  });

  it("refuses SASL", async () => {
    await using card = await testCard();
    await using client = dial(card.port);
    client.socket.write(linkMessage("main", 0));
    await readReply(client.reader);
    client.socket.write(link.encodeAuthMechanism(link.AUTH_MECHANISM.sasl));
    expect(await readResult(client.reader)).toBe(link.LINK_ERROR.PERMISSION_DENIED);
  });

  it("refuses a channel of a session that it does not know", async () => {
    await using card = await testCard();
    await using client = dial(card.port);
    const result = await authenticate(client, linkMessage("display", 12_345), PASSWORD);
    expect(result).toBe(link.LINK_ERROR.BAD_CONNECTION_ID);
  });

  it("takes a client that leaves at any byte of its link, and serves the next", async () => {
    await using card = await testCard();
    const bytes = linkMessage("main", 0);
    for (let count = 0; count < bytes.length; count += 1) {
      await using client = dial(card.port);
      client.socket.end(bytes.subarray(0, count));
      await client.reader.read(1);
    }
    await using next = await openMain(card);
    expect(next.sessionId).not.toBe(0);
  });

  it("takes a link that comes a byte at a time", async () => {
    await using card = await testCard();
    await using client = dial(card.port);
    for (const byte of linkMessage("main", 0)) {
      client.socket.write(Uint8Array.of(byte));
    }
    expect((await readReply(client.reader)).error).toBe(link.LINK_ERROR.OK);
  });
});

describe("test card's session", () => {
  it("ends when another client opens a main channel", async () => {
    await using card = await testCard();
    await using first = await openMain(card);
    await using inputs = await openChannel(card, "inputs", first.sessionId);
    await using second = await openMain(card);
    expect(await first.reader.read(1)).toBe(null);
    expect(await skipToEnd(inputs.reader)).toBe(null);
    await using late = dial(card.port);
    const result = await authenticate(late, linkMessage("inputs", first.sessionId), PASSWORD);
    expect(result).toBe(link.LINK_ERROR.BAD_CONNECTION_ID);
    expect(second.sessionId).not.toBe(first.sessionId);
  });

  it("ends with its main channel", async () => {
    await using card = await testCard();
    const main = await openMain(card);
    await using inputs = await openChannel(card, "inputs", main.sessionId);
    await main[Symbol.asyncDispose]();
    expect(await skipToEnd(inputs.reader)).toBe(null);
  });

  it("lists its channels when asked", async () => {
    await using card = await testCard();
    await using main = await openMain(card);
    send(main.socket, "main", "MAIN_ATTACH_CHANNELS");
    const list = await readMessage(main.reader);
    expect(list.type).toBe(messageRow("main", "server", 104)?.type);
    expect(Array.from(list.body)).toEqual([3, 0, 0, 0, 2, 0, 3, 0, 4, 0]);
  });

  it("speaks full headers with serials to a client without mini headers", async () => {
    await using card = await testCard();
    await using client = dial(card.port);
    const bytes = linkMessage("main", 0, [0b11]);
    expect(await authenticate(client, bytes, PASSWORD)).toBe(link.LINK_ERROR.OK);
    const init = decodeFullHeader(await mustRead(client.reader, FULL_HEADER_BYTES));
    expect(init).toEqual({ serial: 1n, type: 103, sizeBytes: MAIN_INIT_BYTES, subListOffset: 0 });
    await mustRead(client.reader, MAIN_INIT_BYTES);
    const attach = { serial: 1n, type: 104, sizeBytes: 0, subListOffset: 0 };
    client.socket.write(encodeFullHeader(attach));
    const list = decodeFullHeader(await mustRead(client.reader, FULL_HEADER_BYTES));
    expect(list).toMatchObject({ serial: 2n, type: 104 });
  });

  it.each([
    ["a message that SPICE does not have", { type: 999, sizeBytes: 0 }],
    ["a key message of a wrong size", { type: 101, sizeBytes: 5 }],
    ["a message of 4 GiB", { type: 101, sizeBytes: 0xffff_ffff }],
    ["lawful migration data that is too long", { type: 5, sizeBytes: 1024 * 1024 }],
  ])("ends the channel that sends %s, and no other", async (_name, header) => {
    await using card = await testCard();
    await using main = await openMain(card);
    await using inputs = await openChannel(card, "inputs", main.sessionId);
    inputs.socket.write(encodeMiniHeader(header));
    expect(await skipToEnd(inputs.reader)).toBe(null);
    send(main.socket, "main", "MAIN_ATTACH_CHANNELS");
    expect((await readMessage(main.reader)).type).toBe(104);
  });

  it("acknowledges every fourth movement of the pointer", async () => {
    await using card = await testCard();
    await using main = await openMain(card);
    await using inputs = await openChannel(card, "inputs", main.sessionId);
    expect((await readMessage(inputs.reader)).type).toBe(101);
    const motion = concatBytes([
      encodeMiniHeader({ type: 111, sizeBytes: 10 }),
      new Uint8Array(10),
    ]);
    for (let count = 0; count < 8; count += 1) {
      inputs.socket.write(motion);
    }
    expect((await readMessage(inputs.reader)).type).toBe(111);
    expect((await readMessage(inputs.reader)).type).toBe(111);
  });

  it("paints the code of an extended key after its prefix", async () => {
    await using card = await testCard();
    await using main = await openMain(card);
    await using display = await openDisplay(card, main.sessionId);
    await using inputs = await openChannel(card, "inputs", main.sessionId);
    pressKey(inputs.socket, 0x48e0);
    expect((await readMessage(display.reader)).type).toBe(304);
    expect(card.picture.pixel(300, 200)).toBe(0x4801fe);
  });

  it("holds at most one picture for a client that does not read", async () => {
    await using card = await testCard();
    await using main = await openMain(card);
    await using display = await openDisplay(card, main.sessionId);
    await using inputs = await openChannel(card, "inputs", main.sessionId);
    await using watcher = await openDisplay(card, main.sessionId);
    const keyCount = 100;
    for (let count = 1; count <= keyCount; count += 1) {
      pressKey(inputs.socket, 0x1e);
      // The second client reads along, so that each press is known to have been painted.
      await readUntilCount(watcher.reader, count);
    }
    const seen: number[] = [];
    while (seen.at(-1) !== keyCount) {
      seen.push(pressCountOf((await readMessage(display.reader)).body));
    }
    expect(seen.length).toBeLessThan(keyCount / 2);
    expect(seen).toEqual(seen.toSorted((left, right) => left - right));
  });
});

type Client = AsyncDisposable & { readonly socket: Socket; readonly reader: ExactReader };

async function testCard(): Promise<AsyncDisposable & TestCard> {
  const started = await startTestCard(PASSWORD);
  if (!started.ok) {
    throw new Error(started.error);
  }
  return { ...started.value, [Symbol.asyncDispose]: () => started.value.stop() };
}

function dial(port: number): Client {
  const socket = connect(port, "127.0.0.1");
  // A server that refuses may reset what was still under way to it.
  socket.on("error", () => {});
  const reader = new ExactReader(socket);
  return {
    socket,
    reader,
    [Symbol.asyncDispose]: () => {
      socket.destroy();
      return Promise.resolve();
    },
  };
}

function linkMessage(
  channel: ChannelName,
  connectionId: number,
  commonCapabilities: readonly number[] = [0b1001],
): Uint8Array {
  return link.encodeLinkMessage({
    connectionId,
    channelType: CHANNEL_TYPE[channel],
    channelId: 0,
    commonCapabilities,
    channelCapabilities: [],
  });
}

async function authenticate(
  client: Client,
  message: Uint8Array,
  password: string,
): Promise<number> {
  client.socket.write(message);
  const { error, publicKey } = await readReply(client.reader);
  expect(error).toBe(link.LINK_ERROR.OK);
  const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const ticket = publicEncrypt({ key, padding, oaepHash: "sha1" }, utf8(`${password}\0`));
  client.socket.write(link.encodeAuthMechanism(link.AUTH_MECHANISM.spice));
  client.socket.write(ticket);
  return readResult(client.reader);
}

async function openChannel(
  card: TestCard,
  channel: ChannelName,
  sessionId: number,
): Promise<Client> {
  const client = dial(card.port);
  const result = await authenticate(client, linkMessage(channel, sessionId), PASSWORD);
  expect(result).toBe(link.LINK_ERROR.OK);
  return client;
}

async function openMain(card: TestCard): Promise<Client & { readonly sessionId: number }> {
  const client = await openChannel(card, "main", 0);
  const init = await readMessage(client.reader);
  return { ...client, sessionId: parseMainInit(init.body).sessionId };
}

async function openDisplay(card: TestCard, sessionId: number): Promise<Client> {
  const client = await openChannel(card, "display", sessionId);
  send(client.socket, "display", "DISPLAY_INIT", new Uint8Array(14));
  const types: number[] = [];
  while (types.at(-1) !== 102) {
    types.push((await readMessage(client.reader)).type);
  }
  expect(types).toEqual([314, 304, 102]);
  return client;
}

function send(
  socket: Socket,
  channel: "main" | "display" | "inputs",
  name: keyof typeof CLIENT_TYPES,
  body: Uint8Array = new Uint8Array(0),
): void {
  const type = CLIENT_TYPES[name];
  expect(messageRow(channel, "client", type)?.name).toBe(name);
  socket.write(concatBytes([encodeMiniHeader({ type, sizeBytes: body.length }), body]));
}

function pressKey(socket: Socket, code: number): void {
  send(socket, "inputs", "INPUTS_KEY_DOWN", Uint8Array.of(code & 0xff, code >> 8, 0, 0));
}

async function readUntilCount(reader: ExactReader, count: number): Promise<void> {
  while (pressCountOf((await readMessage(reader)).body) !== count) {
    // A picture of an earlier press.
  }
}

/** The count of presses that the first pixel of a draw inside the frame shows. */
function pressCountOf(drawBody: Uint8Array): number {
  const headBytes = 57 + 36;
  const insideFrame = 4 * 10;
  return drawBody[headBytes + insideFrame + 1] ?? 0;
}

async function readReply(reader: ExactReader): Promise<link.LinkReply> {
  const head = link.parseLinkHeader(await mustRead(reader, link.LINK_HEADER_BYTES), "server");
  return link.parseLinkReply(await mustRead(reader, head.sizeBytes));
}

async function readResult(reader: ExactReader): Promise<number> {
  return link.parseLinkResult(await mustRead(reader, link.LINK_RESULT_BYTES));
}

async function readMessage(reader: ExactReader): Promise<{ type: number; body: Uint8Array }> {
  const { type, sizeBytes } = decodeMiniHeader(await mustRead(reader, MINI_HEADER_BYTES));
  return { type, body: await mustRead(reader, sizeBytes) };
}

async function mustRead(reader: ExactReader, count: number): Promise<Uint8Array> {
  const bytes = await reader.read(count);
  if (bytes === null) {
    throw new Error("the test card has closed the connection");
  }
  return bytes;
}

/** Reads what was still under way; null is the connection's end. */
async function skipToEnd(reader: ExactReader): Promise<Uint8Array | null> {
  let byte = await reader.read(1);
  while (byte !== null) {
    byte = await reader.read(1);
  }
  return byte;
}

const PASSWORD = "sekret";
const CLIENT_TYPES = { MAIN_ATTACH_CHANNELS: 104, DISPLAY_INIT: 101, INPUTS_KEY_DOWN: 101 };
