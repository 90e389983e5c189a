import { describe, expect, it } from "vitest";

import {
  type CapabilitySet,
  clientCapabilitiesForServer,
  COMMON_CAPABILITY,
  hasCapability,
  headerKind,
  offerFromServer,
  serverOffer,
  withCapability,
  withoutCapability,
} from "#shared/spice/capabilities.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";

describe("capability sets", () => {
  it("finds bits in any word and treats absent words as zero", () => {
    const words = [0x8000_0000, 0x0000_0001];
    expect(hasCapability(words, 31)).toBe(true);
    expect(hasCapability(words, 32)).toBe(true);
    expect(hasCapability(words, 0)).toBe(false);
    expect(hasCapability(words, 64)).toBe(false);
    expect(hasCapability([], 0)).toBe(false);
  });

  it("stays unsigned when the top bit is set and cleared", () => {
    expect(withCapability([], 31)).toEqual([0x8000_0000]);
    expect(withCapability([1], 33)).toEqual([1, 2]);
    expect(withoutCapability([0xffff_ffff], 0)).toEqual([0xffff_fffe]);
  });

  it("keeps the number of words when it clears, and never touches its input", () => {
    const words: CapabilitySet = Object.freeze([1, 1]);
    expect(withoutCapability(words, 32)).toEqual([1, 0]);
    expect(withoutCapability(words, 99)).toEqual([1, 1]);
    expect(withCapability(words, 0)).toEqual([1, 1]);
    expect(words).toEqual([1, 1]);
  });
});

describe("serverOffer", () => {
  it.each([
    ["main", [0xf]],
    // MONITORS_CONFIG 1, STREAM_REPORT 4, PREF_COMPRESSION 6, PREF_VIDEO_CODEC_TYPE 12
    ["display", [0x1052]],
    ["inputs", [0x1]],
    ["cursor", []],
    // VOLUME 1, OPUS 3
    ["playback", [0xa]],
    // VOLUME 1, OPUS 2
    ["record", [0x6]],
    ["tunnel", []],
    ["smartcard", []],
    ["usbredir", [0x1]],
    ["port", [0x1]],
    ["webdav", [0x1]],
  ] as const)("offers spice-server's set on %s", (channel, words) => {
    expect(serverOffer(channel).channel).toEqual(words);
  });

  it("offers mini headers and ticket authentication everywhere, SASL nowhere", () => {
    for (const channel of CHANNEL_NAMES) {
      expect(serverOffer(channel).common).toEqual([0b1011]);
    }
  });
});

describe("clientCapabilitiesForServer", () => {
  it("keeps the client's channel words and settles authentication", () => {
    // What spice-gtk 0.42 sends on main: AUTH_SELECTION, SASL, MINI_HEADER.
    const given = { common: [0x0d], channel: [0x0f, 0xdead_beef] };
    expect(clientCapabilitiesForServer(given)).toEqual({
      common: [0x0b],
      channel: [0x0f, 0xdead_beef],
    });
  });

  it("adds a word for a client that states none", () => {
    expect(clientCapabilitiesForServer({ common: [], channel: [] })).toEqual({
      common: [0x03],
      channel: [],
    });
  });

  it("leaves common bits that it does not know", () => {
    const { common } = clientCapabilitiesForServer({ common: [0xffff_ffff, 7], channel: [] });
    expect(common).toEqual([0xffff_fffb, 7]);
    expect(hasCapability(common, COMMON_CAPABILITY.AUTH_SASL)).toBe(false);
  });
});

describe("offerFromServer", () => {
  it("offers exactly what the server states, but for authentication", () => {
    // What libspice-server 0.15.1 states on main with SASL on: AUTH_SELECTION, SASL, MINI_HEADER.
    const given = { common: [0x0d], channel: [0x0b, 0xdead_beef] };
    expect(offerFromServer(given)).toEqual({ common: [0x0b], channel: [0x0b, 0xdead_beef] });
  });

  it("offers no mini header that the server does not state", () => {
    expect(offerFromServer({ common: [], channel: [] })).toEqual({ common: [0x03], channel: [] });
  });

  it("offers common bits that it does not know, in as many words", () => {
    const { common } = offerFromServer({ common: [0xffff_ffff, 7, 0], channel: [] });
    expect(common).toEqual([0xffff_fffb, 7, 0]);
  });
});

describe("headerKind", () => {
  const mini = { common: [0b1000], channel: [] };
  const without = { common: [0xffff_fff7], channel: [0xffff_ffff] };

  it("is mini only when both sides state it", () => {
    expect(headerKind(mini, mini)).toBe("mini");
    expect(headerKind(mini, without)).toBe("full");
    expect(headerKind(without, mini)).toBe("full");
    expect(headerKind({ common: [], channel: [] }, mini)).toBe("full");
  });

  it("stays what both stated once the relay has settled authentication", () => {
    expect(headerKind(clientCapabilitiesForServer(mini), offerFromServer(mini))).toBe("mini");
    expect(headerKind(clientCapabilitiesForServer(without), offerFromServer(mini))).toBe("full");
  });
});
