/**
 * What each channel of the test card does with the client's messages. The picture belongs to the
 * card, not to a client: like a machine's screen it stays when the viewer goes.
 */
import { ByteReader } from "#shared/spice/byte-reader.ts";
import { DISPLAY_CAPABILITY } from "#shared/spice/capabilities.ts";
import { CURSOR_SERVER } from "#shared/spice/channels/cursor.ts";
import { DISPLAY_CLIENT, DISPLAY_SERVER } from "#shared/spice/channels/display.ts";
import { INPUTS_CLIENT, INPUTS_SERVER } from "#shared/spice/channels/inputs.ts";
import { MAIN_CLIENT, MAIN_SERVER } from "#shared/spice/channels/main.ts";
import { SERVED_CHANNELS } from "./accept-link.ts";
import type { CardChannel } from "./card-channel.ts";
import * as messages from "./card-messages.ts";
import { type Picture, type Rectangle, WHOLE } from "./picture.ts";

/** What the channels of one card share. */
export interface Card {
  readonly picture: Picture;
  /** Told with the part that has changed, after each change of the picture. */
  readonly changeListeners: Set<(part: Rectangle) => void>;
}

/** Serves a channel until its client leaves. @throws SpiceError when the client breaks the protocol */
export async function serveChannel(
  channel: CardChannel,
  card: Card,
  sessionId: number,
): Promise<void> {
  switch (channel.name) {
    case "main":
      return serveMain(channel, sessionId);
    case "display":
      return serveDisplay(channel, card);
    case "inputs":
      return serveInputs(channel, card);
    case "cursor":
      channel.send(CURSOR_SERVER.CURSOR_INIT, messages.cursorInit());
      return ignoreMessages(channel);
  }
}

async function serveMain(channel: CardChannel, sessionId: number): Promise<void> {
  channel.send(MAIN_SERVER.MAIN_INIT, messages.mainInit(sessionId));
  for await (const { type } of channel.messages()) {
    if (type === MAIN_CLIENT.MAIN_ATTACH_CHANNELS.type) {
      const others = SERVED_CHANNELS.filter((name) => name !== "main");
      channel.send(MAIN_SERVER.MAIN_CHANNELS_LIST, messages.channelsList(others));
    } else if (type === MAIN_CLIENT.MAIN_MOUSE_MODE_REQUEST.type) {
      channel.send(MAIN_SERVER.MAIN_MOUSE_MODE, messages.mouseMode());
    }
  }
}

async function serveDisplay(channel: CardChannel, card: Card): Promise<void> {
  // What the client has still to see; at most one picture waits, however slow the client is.
  let waiting: Rectangle | null = null;
  const draw = (part: Rectangle): void => {
    if (channel.isBehind) {
      waiting = waiting === null ? part : union(waiting, part);
      return;
    }
    waiting = null;
    const body = messages.drawCopy(part, card.picture.copy(part));
    channel.send(DISPLAY_SERVER.DISPLAY_DRAW_COPY, body);
  };
  channel.onCaughtUp(() => {
    if (waiting !== null) {
      draw(waiting);
    }
  });
  try {
    for await (const { type } of channel.messages()) {
      if (type === DISPLAY_CLIENT.DISPLAY_INIT.type && !card.changeListeners.has(draw)) {
        showSurface(channel, card.picture);
        draw(WHOLE);
        channel.send(DISPLAY_SERVER.DISPLAY_MARK);
        card.changeListeners.add(draw);
      }
    }
  } finally {
    card.changeListeners.delete(draw);
  }
}

function showSurface(channel: CardChannel, { width, height }: Picture): void {
  channel.send(DISPLAY_SERVER.DISPLAY_SURFACE_CREATE, messages.surfaceCreate(width, height));
  if (channel.hasCapability(DISPLAY_CAPABILITY.MONITORS_CONFIG)) {
    channel.send(DISPLAY_SERVER.DISPLAY_MONITORS_CONFIG, messages.monitorsConfig(width, height));
  }
}

async function serveInputs(channel: CardChannel, card: Card): Promise<void> {
  channel.send(INPUTS_SERVER.INPUTS_INIT, messages.keyModifiers());
  let motionCount = 0;
  for await (const { type, body } of channel.messages()) {
    if (type === INPUTS_CLIENT.INPUTS_KEY_DOWN.type) {
      press(card, makeCode(body));
    } else if (MOTION_TYPES.includes(type)) {
      motionCount += 1;
      if (motionCount % MOTIONS_PER_ACK === 0) {
        channel.send(INPUTS_SERVER.INPUTS_MOUSE_MOTION_ACK);
      }
    }
  }
}

function press(card: Card, scancode: number): void {
  const part = card.picture.press(scancode);
  for (const listener of card.changeListeners) {
    listener(part);
  }
}

/** The key's set-1 make code. An extended key sends 0xE0 in the low byte and its code after it. */
function makeCode(body: Uint8Array): number {
  const code = new ByteReader(body, "message.size-unlawful").u32();
  return ((code & 0xff) === EXTENDED_PREFIX ? code >>> 8 : code) & 0x7f;
}

async function ignoreMessages(channel: CardChannel): Promise<void> {
  for await (const message of channel.messages()) {
    void message;
  }
}

function union(left: Rectangle, right: Rectangle): Rectangle {
  return {
    left: Math.min(left.left, right.left),
    top: Math.min(left.top, right.top),
    right: Math.max(left.right, right.right),
    bottom: Math.max(left.bottom, right.bottom),
  };
}

const EXTENDED_PREFIX = 0xe0;
const MOTION_TYPES: readonly number[] = [
  INPUTS_CLIENT.INPUTS_MOUSE_MOTION.type,
  INPUTS_CLIENT.INPUTS_MOUSE_POSITION.type,
];
/** enums.h, SPICE_INPUT_MOTION_ACK_BUNCH: clients stop moving the pointer without these. */
const MOTIONS_PER_ACK = 4;
