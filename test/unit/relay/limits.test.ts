import { describe, expect, it } from "vitest";
import { DATA_PLANE_LIMITS, limitsPerSource } from "../../../relay/limits.ts";

describe("the limits of one source", () => {
  it("leave a fifth of its connections to handshakes, as the defaults do", () => {
    const { connectionsPerSourceMax, handshakesPerSourceMax } = DATA_PLANE_LIMITS;
    const defaults = { connectionsPerSourceMax, handshakesPerSourceMax };
    expect(limitsPerSource(connectionsPerSourceMax)).toEqual(defaults);
    expect(limitsPerSource(6_000)).toMatchObject({ handshakesPerSourceMax: 1_200 });
  });

  it("never leave no room for a handshake", () => {
    expect(limitsPerSource(1)).toMatchObject({ handshakesPerSourceMax: 1 });
  });
});
