/** What of a web console's request is refused from its head alone, and in which order. */
import { describe, expect, it } from "vitest";
import { judgeUpgrade } from "../../../relay/listen/judge-upgrade.ts";

const ORIGIN = "https://console.example.test";
const HEADERS = { upgrade: "websocket", "sec-websocket-protocol": "binary", origin: ORIGIN };

function judge(url: string | undefined, headers = {}, origins = [ORIGIN]): string | number {
  const judged = judgeUpgrade({ url, headers: { ...HEADERS, ...headers } }, origins);
  return judged.ok ? judged.value : judged.error.answer.status;
}

describe("a web console's head", () => {
  it("gives its token", () => {
    expect(judge("/console?token=abc")).toBe("abc");
    expect(judge("/console?token=a%2Fb&path=x")).toBe("a/b");
    expect(judge("https://relay.example.test/console?token=abc")).toBe("abc");
  });

  it("is judged by its very path", () => {
    for (const url of ["/Console", "/console/", "/x/console", "*", "", "//console", undefined]) {
      expect(judge(url)).toBe(404);
    }
    expect(judge("/x/../console?token=abc")).toBe("abc");
  });

  it("may name its upgrade in any case and offer other subprotocols too", () => {
    expect(judge("/console?token=t", { upgrade: "WebSocket" })).toBe("t");
    expect(judge("/console?token=t", { "sec-websocket-protocol": "base64, binary" })).toBe("t");
    expect(judge("/console?token=t", { "sec-websocket-protocol": "binaryx, Binary" })).toBe(400);
    expect(judge("/console?token=t", { upgrade: undefined })).toBe(426);
  });

  it("needs an origin that is one of the relay's, letter for letter", () => {
    const origins = ["http://console.example.test", `${ORIGIN}:8443`, `${ORIGIN}/`, "null"];
    for (const origin of [...origins, ORIGIN.toUpperCase(), `${ORIGIN}, ${ORIGIN}`, "*", ""]) {
      expect(judge("/console?token=t", { origin })).toBe(403);
    }
    expect(judge("/console?token=t", { origin: undefined })).toBe(403);
    expect(judge("/console?token=t", {}, [])).toBe(403);
    expect(judge("/console?token=t", {}, ["*"])).toBe(403);
    expect(judge("/console?token=t", { origin: "null" }, ["null"])).toBe(403);
  });

  it("has its foreign origin told when that is one, and how to allow it", () => {
    const detailOf = (origin: string): string => {
      const judged = judgeUpgrade({ url: "/console", headers: { ...HEADERS, origin } }, []);
      return judged.ok ? "" : (judged.error.failure.detail ?? "");
    };
    const rest = "not an origin of the relay: --web-origin allows more";
    expect(detailOf("http://[::1]:8787")).toBe(`http://[::1]:8787 is ${rest}`);
    for (const origin of [
      "a\u001b[2J",
      "null",
      "https://a/?token=x",
      `https://${"a".repeat(200)}`,
    ]) {
      expect(detailOf(origin)).toBe(`it is ${rest}`);
    }
  });

  it("is told of its origin before its token, so that no foreign page can try tokens", () => {
    expect(judge("/console", { origin: "https://evil.test" })).toBe(403);
    expect(judge("/console")).toBe(401);
    expect(judge("/console?token=a&token=b")).toBe(401);
  });

  it("needs a token that is no longer than one may be", () => {
    expect(judge(`/console?token=${"k".repeat(512)}`)).toBe("k".repeat(512));
    expect(judge(`/console?token=${"k".repeat(513)}`)).toBe(401);
  });

  it("is never repeated in what is told or counted", () => {
    const judged = judgeUpgrade({ url: "/x?token=secret", headers: HEADERS }, [ORIGIN]);
    expect(JSON.stringify(judged)).not.toContain("secret");
  });
});
