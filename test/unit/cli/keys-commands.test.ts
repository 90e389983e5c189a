/** Keys on the command line: what is shown, what is asked for, and what is said of a refusal. */
import { describe, expect, it } from "vitest";
import {
  type FakeAnswer,
  type HeardRequest,
  problem,
} from "../relay-control/fake-control-plane.ts";
import { run } from "./in-process.ts";

const RELAY = "rly_AAAAAAAAAAAAAAAAAAAAAA";
const AT = "2026-03-01T12:00:00.000Z";

const key = (kid: string, state: string, times: object = {}) => ({
  ...{ kid, state, publicKey: "x", createdAt: AT },
  ...{ activatedAt: null, retiredAt: null, verifiesUntil: null, ...times },
});
const keys = [
  key("third", "next"),
  key("second", "active", { activatedAt: AT }),
  key("first", "retired", { activatedAt: AT, retiredAt: AT, verifiesUntil: AT }),
];

function plane({ method, path }: HeardRequest): FakeAnswer | undefined {
  switch (`${method} ${path}`) {
    case "GET /api/v1/signing-keys":
    case "POST /api/v1/signing-keys/rotate":
      return { json: { items: keys } };
    case `GET /api/v1/relays/${RELAY}/keys`:
      return {
        json: {
          ...{ fingerprint: "sha256:a", nextFingerprint: null, ticketEpoch: 3 },
          certificate: { kind: "issued", hostSubject: "CN=r", endsAt: AT },
        },
      };
    case `POST /api/v1/relays/${RELAY}/rotate-ticket-key`:
      return { json: { ticketEpoch: 4 } };
    default:
      return undefined;
  }
}

describe("the keys that sign grants", () => {
  it("are a table of their states and times, under either name", async () => {
    for (const args of [["keys"], ["keys", "list"]]) {
      const { code, stdout, stderr } = await run(args, plane);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const lines = stdout.trimEnd().split("\n");
      expect(lines[0]).toBe(
        "KEY     STATE    CREATED                   ACTIVE FROM               RETIRED                   ACCEPTED UNTIL",
      );
      expect(lines[1]).toMatch(/^third +next +2026-\S+ +- +- +-$/);
      expect(lines[3]).toBe(`first   retired  ${AT}  ${AT}  ${AT}  ${AT}`);
    }
  });

  it("are one array to scripts, as every list is", async () => {
    expect(JSON.parse((await run(["keys", "--json"], plane)).stdout)).toEqual(keys);
    expect(JSON.parse((await run(["keys", "rotate", "--json"], plane)).stdout)).toEqual(keys);
  });

  it("are rotated as it was asked for, and the key that signs is printed", async () => {
    const plain = await run(["keys", "rotate"], plane);
    expect(plain).toMatchObject({ code: 0, stdout: "second\n" });
    expect(plain.stderr).toBe("It signs now. Tickets that are out stay good.\n");
    expect(plain.heard[0]?.body).toEqual({ emergency: false });
    const guarded = await run(["keys", "rotate", "--if-active", "first"], plane);
    expect(guarded.heard[0]?.body).toEqual({ activeKid: "first", emergency: false });
    const emergency = await run(["keys", "rotate", "--emergency"], plane);
    expect(emergency.heard[0]?.body).toEqual({ emergency: true });
    expect(emergency.stderr).toContain("Tickets that nobody has used are void.");
  });

  it("are not rotated when the control plane says that it is too soon", async () => {
    const early = () =>
      problem(409, "signing-key.not-published", "Too young.", "It can sign in 60 seconds.");
    const { code, stdout, stderr } = await run(["keys", "rotate"], early);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("It can sign in 60 seconds.");
  });
});

describe("a relay's keys", () => {
  it("are shown", async () => {
    const { stdout } = await run(["relays", "keys", RELAY], plane);
    const [head, row] = stdout.trimEnd().split("\n");
    expect(head).toMatch(/^TICKET EPOCH +CERTIFICATE +ENDS +KEY +NEXT KEY$/);
    expect(row).toMatch(/^3 +issued +2026-\S+ +sha256:a +-$/);
  });

  it("of its tickets is changed", async () => {
    const { code, stderr } = await run(["relays", "rotate-ticket-key", RELAY], plane);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: "Its tickets are of epoch 4 from now on.\n",
    });
  });
});
