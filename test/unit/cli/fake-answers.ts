/** What a small control plane answers to the kerbside command in its tests. */
import { ERRORS } from "#shared/errors/catalogue.ts";
import {
  type FakeAnswer,
  type HeardRequest,
  problem,
} from "../relay-control/fake-control-plane.ts";

export const EXPIRES_AT = "2026-03-01T12:00:00.000Z";
export const CONSOLE_A = "con_AAAAAAAAAAAAAAAAAAAAAA";
export const CONSOLE_B = "con_BBBBBBBBBBBBBBBBBBBBBB";
export const VV = "[virt-viewer]\ntype=spice\npassword=kst1_x\n";

export const SESSION = {
  id: "ses_1",
  state: "active",
  console: { id: CONSOLE_A, name: "web" },
  user: { id: "usr_1", username: "admin" },
  relay: { id: "rly_1", name: "relay-1" },
  createdAt: EXPIRES_AT,
  endReason: null,
};

/** A small control plane: one user, three consoles in two pages, everything that commands ask. */
export function answer(url: () => string, request: HeardRequest): FakeAnswer | undefined {
  const { method, path, token, body } = request;
  const sent = (body ?? {}) as Record<string, string>;
  if (path === "/api/v1/auth/login") {
    return sent["password"] === "correct horse"
      ? { json: { token: `token-of-${sent["username"]}`, expiresAt: EXPIRES_AT } }
      : problem(401, "auth.invalid-credentials", ERRORS["auth.invalid-credentials"].hint);
  }
  if (path === "/api/v1/vv/one-time") {
    return { text: VV, contentType: "application/x-virt-viewer" };
  }
  if (token !== "token-of-admin") {
    return problem(401, "auth.required", "Log in and send the token.");
  }
  const consoles = [
    { id: CONSOLE_A, name: "web \u001b[2J", source: "static" },
    { id: CONSOLE_B, name: "twin", source: "static" },
    { id: "con_CCCCCCCCCCCCCCCCCCCCCC", name: "twin", source: "static" },
  ];
  const session = SESSION;
  switch (`${method} ${path}`) {
    case "GET /api/v1/consoles":
      return { json: { items: consoles.slice(0, 2), nextCursor: "a/b" } };
    case "GET /api/v1/consoles?cursor=a%2Fb":
      return { json: { items: consoles.slice(2), nextCursor: null } };
    case "GET /api/v1/consoles?name=twin":
      return { json: { items: consoles.slice(1), nextCursor: null } };
    case "GET /api/v1/consoles?name=nobody":
      return { json: { items: [], nextCursor: null } };
    case `GET /api/v1/consoles/${CONSOLE_A}`:
      return { json: consoles[0] };
    case `POST /api/v1/consoles/${CONSOLE_A}/tickets`:
      return {
        status: 201,
        json: { sessionId: "ses_1", vvUrl: `${url()}/api/v1/vv/one-time`, expiresAt: EXPIRES_AT },
      };
    case "POST /api/v1/sessions/ses_nope/terminate":
      return problem(404, "resource.not-found", ERRORS["resource.not-found"].hint);
    case "POST /api/v1/auth/logout":
      return { status: 204, text: "" };
    case "GET /api/v1/sessions/ses_1":
      return { json: session };
    case "GET /api/v1/sessions?state=live":
      return { json: { items: [session], nextCursor: null } };
    case "GET /api/v1/sessions":
      return {
        json: {
          items: [session, { ...session, id: "ses_2", state: "ended", endReason: "terminated" }],
          nextCursor: null,
        },
      };
    case "POST /api/v1/sessions/ses_1/terminate":
      return { status: 202, json: { sessionId: "ses_1", state: "ending" } };
    case "POST /api/v1/consoles":
      return { status: 201, json: { id: CONSOLE_A, name: sent["name"], source: "static" } };
    case "GET /api/v1/sites":
      return {
        json: {
          items: [
            { id: "sit_default", name: "default", description: "", fallbacks: [] },
            { id: "sit_1", name: "syd", description: "", fallbacks: [] },
          ],
          nextCursor: null,
        },
      };
    case "POST /api/v1/relays/join-tokens":
      return { status: 201, json: { token: "kjt_1", expiresAt: EXPIRES_AT } };
    default:
      return undefined;
  }
}
