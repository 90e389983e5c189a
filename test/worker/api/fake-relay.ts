/** A relay as the control plane sees it: it enrols, holds its link, and acknowledges pushes. */
import "reflect-metadata";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { SignJWT } from "jose";
import {
  CONTROL_SUBPROTOCOL,
  type Hello,
  type HubMessage,
  parseHubMessage,
  type RelayEvent,
} from "#shared/control/contract.ts";
import { enrolAnswerSchema, RELAY_TOKEN_TYPE } from "#shared/control/enrolment.ts";
import { call, fetchWorker, ORIGIN, read, type TestUser, uniqueName } from "./api-client.ts";

export type Push = Extract<HubMessage, { type: "push" }>;
type Welcome = Extract<HubMessage, { type: "welcome" }>;

export class FakeRelay {
  readonly id: string;
  readonly name: string;
  readonly welcome: Welcome;
  readonly pushes: Push[] = [];
  /** Whether pushes are acknowledged. */
  acknowledges = true;
  readonly #socket: WebSocket;
  #eventSeq = 0;

  private constructor(identity: { id: string; name: string }, socket: WebSocket, welcome: Welcome) {
    this.id = identity.id;
    this.name = identity.name;
    this.welcome = welcome;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#onMessage(String(data)));
  }

  /** Enrols through a join token of the admin's, into this site or the default, and links itself. */
  static async join(
    admin: TestUser,
    { siteId, ...hello }: Partial<Hello> & { readonly siteId?: string } = {},
  ): Promise<FakeRelay> {
    const keys = (await crypto.subtle.generateKey({ name: "Ed25519" }, true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    const enrolled = await enrol({ admin, keys, siteId });
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "EdDSA", typ: RELAY_TOKEN_TYPE })
      .setSubject(enrolled.id)
      .setAudience(enrolled.audience)
      .setIssuedAt()
      .setExpirationTime("30s")
      .sign(keys.privateKey);
    const response = await fetchWorker(`${ORIGIN}/api/v1/relays/link`, {
      headers: {
        Upgrade: "websocket",
        Authorization: `Bearer ${token}`,
        "Sec-WebSocket-Protocol": CONTROL_SUBPROTOCOL,
      },
    });
    const socket = response.webSocket;
    if (socket === null) {
      throw new Error(`the link was answered ${response.status}: ${await response.text()}`);
    }
    const welcome = await greet(socket, hello);
    return new FakeRelay(enrolled, socket, welcome);
  }

  say(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Reports these as its next events. */
  report(...events: readonly RelayEvent[]): void {
    const numbered = events.map((event) => {
      this.#eventSeq += 1;
      return { seq: this.#eventSeq, atMs: Date.now(), event };
    });
    this.say({ type: "events", stream: `str_${this.id}`, events: numbered });
  }

  close(): void {
    this.#socket.close(1000, "test ends");
  }

  #onMessage(text: string): void {
    const message = parseHubMessage(text);
    if (!message.ok || message.value.type !== "push") {
      return;
    }
    this.pushes.push(message.value);
    if (this.acknowledges) {
      const ack = { type: "ack", seq: message.value.seq, refusal: null };
      this.#socket.send(JSON.stringify(ack));
    }
  }
}

interface Enrolment {
  readonly admin: TestUser;
  readonly keys: CryptoKeyPair;
  readonly siteId: string | undefined;
}

async function enrol({ admin, keys, siteId }: Enrolment) {
  const issued = await call("/relays/join-tokens", { token: admin.token, json: { siteId } });
  const { token: joinToken } = await read(issued, 201);
  const name = uniqueName("relay");
  const { x } = (await crypto.subtle.exportKey("jwk", keys.publicKey)) as JsonWebKey;
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const tlsKeys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name}`,
    keys: tlsKeys as CryptoKeyPair,
    signingAlgorithm,
  });
  const host = `${name}.relay.test`;
  const json = { joinToken, name, host, tlsPort: 5900, publicKey: x, csr: csr.toString("pem") };
  const answer = enrolAnswerSchema.parse(await read(await call("/relays/enrol", { json }), 201));
  return { id: answer.relayId, name, audience: answer.controlUrl };
}

/** Says hello and waits for the welcome. */
async function greet(socket: WebSocket, extra: Partial<Hello>): Promise<Welcome> {
  socket.accept();
  const welcomed = new Promise<Welcome>((resolve, reject) => {
    const listen = ({ data }: MessageEvent): void => {
      socket.removeEventListener("message", listen);
      const message = parseHubMessage(String(data));
      if (message.ok && message.value.type === "welcome") {
        resolve(message.value);
      } else {
        reject(new Error(`no welcome but ${String(data)}`));
      }
    };
    socket.addEventListener("message", listen);
  });
  const hello = {
    type: "hello",
    versions: { min: 1, max: 1 },
    build: "test",
    epoch: null,
    appliedSeq: 0,
    instanceId: crypto.randomUUID(),
    channelsMax: 100,
    ...extra,
  };
  socket.send(JSON.stringify(hello));
  return await welcomed;
}
