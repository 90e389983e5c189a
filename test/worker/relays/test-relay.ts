/**
 * A relay as the control plane sees it: enrolled through the API with keys of its own, linked by
 * a WebSocket that a test reads message by message.
 */
import "reflect-metadata";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import {
  CONTROL_SUBPROTOCOL,
  type Hello,
  type HubMessage,
  parseHubMessage,
  type RelayMessage,
} from "#shared/control/contract.ts";
import {
  type EnrolAnswer,
  enrolAnswerSchema,
  RELAY_TOKEN_TYPE,
} from "#shared/control/enrolment.ts";
import { RELAY_TOKEN_SECONDS } from "#shared/control/limits.ts";
import {
  call,
  fetchWorker,
  makeUser,
  ORIGIN,
  read,
  type TestUser,
  uniqueName,
} from "../api/api-client.ts";

export interface TestRelay extends EnrolAnswer {
  readonly name: string;
  readonly key: CryptoKey;
}

/** An Ed25519 key with the `x` that the control plane stores. */
export async function makeRelayKey(): Promise<{ key: CryptoKey; publicKey: string }> {
  const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const { x } = await exportJWK(pair.publicKey);
  return { key: pair.privateKey, publicKey: String(x) };
}

export async function makeCsr(
  algorithm: SubtleCryptoGenerateKeyAlgorithm = { name: "ECDSA", namedCurve: "P-256" },
): Promise<string> {
  const keys = (await crypto.subtle.generateKey(algorithm, true, [
    "sign",
    "verify",
  ])) as CryptoKeyPair;
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=whatever,O=Somebody Else",
    keys,
    signingAlgorithm: { name: algorithm.name, hash: "SHA-256" },
  });
  return request.toString("pem");
}

export async function makeJoinToken(): Promise<string> {
  // One for the file: passwords are slow on purpose, and some tests enrol many relays.
  const { token } = await (enroller ??= makeUser("admin"));
  const answer = await read(await call("/relays/join-tokens", { method: "POST", token }), 201);
  return String(answer["token"]);
}

let enroller: Promise<TestUser> | undefined;

export async function enrolTestRelay(): Promise<TestRelay> {
  const { key, publicKey } = await makeRelayKey();
  const name = uniqueName("relay");
  const json = {
    joinToken: await makeJoinToken(),
    name,
    host: `${name}.example`,
    tlsPort: 5900,
    publicKey,
    csr: await makeCsr(),
  };
  const answer = await read(await call("/relays/enrol", { json }), 201);
  return { ...enrolAnswerSchema.parse(answer), name, key };
}

export async function signRelayToken(
  relay: Pick<TestRelay, "relayId" | "key">,
  claims: { readonly aud?: string; readonly iat?: number; readonly lifeS?: number } = {},
): Promise<string> {
  const iat = claims.iat ?? Math.floor(Date.now() / 1000);
  return await new SignJWT({})
    .setProtectedHeader({ alg: "EdDSA", typ: RELAY_TOKEN_TYPE })
    .setSubject(relay.relayId)
    .setAudience(claims.aud ?? ORIGIN)
    .setIssuedAt(iat)
    .setExpirationTime(iat + (claims.lifeS ?? RELAY_TOKEN_SECONDS))
    .sign(relay.key);
}

export async function requestLink(
  token: string,
  subprotocol: string = CONTROL_SUBPROTOCOL,
): Promise<Response> {
  return await fetchWorker(`${ORIGIN}/api/v1/relays/link`, {
    headers: {
      Authorization: `Bearer ${token}`,
      Upgrade: "websocket",
      "Sec-WebSocket-Protocol": subprotocol,
    },
  });
}

/** The relay's end of a link. Messages queue up until the test asks for them. */
export class RelaySocket {
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  readonly #arrived: string[] = [];
  readonly #wanted: ((text: string) => void)[] = [];

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.accept();
    socket.addEventListener("message", (event) => {
      const text = String(event.data);
      const want = this.#wanted.shift();
      if (want === undefined) {
        this.#arrived.push(text);
      } else {
        want(text);
      }
    });
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => {
        resolve({ code, reason });
      });
    });
  }

  static async open(relay: TestRelay): Promise<RelaySocket> {
    const response = await requestLink(await signRelayToken(relay));
    if (response.webSocket === null) {
      throw new Error(`no socket: ${response.status} ${await response.text()}`);
    }
    return new RelaySocket(response.webSocket);
  }

  /** A socket that has said hello and was welcomed. */
  static async link(relay: TestRelay, hello: Partial<Hello> = {}): Promise<RelaySocket> {
    const socket = await RelaySocket.open(relay);
    socket.send({ ...HELLO, ...hello });
    const welcome = await socket.next();
    if (welcome.type !== "welcome") {
      throw new Error(`expected a welcome, got ${JSON.stringify(welcome)}`);
    }
    return socket;
  }

  send(message: RelayMessage): void {
    this.sendText(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  async nextText(): Promise<string> {
    const text = this.#arrived.shift();
    return text ?? (await new Promise((resolve) => this.#wanted.push(resolve)));
  }

  async next(): Promise<HubMessage> {
    const parsed = parseHubMessage(await this.nextText());
    if (!parsed.ok) {
      throw new Error(parsed.error);
    }
    return parsed.value;
  }

  close(): void {
    this.#socket.close(1000, "done");
  }
}

export const HELLO = {
  type: "hello" as const,
  versions: { min: 1, max: 1 },
  build: "test-build",
  instanceId: "instance-1",
  epoch: null as string | null,
  appliedSeq: 0,
  channelsMax: 100,
  draining: false,
  enforces: [],
};
