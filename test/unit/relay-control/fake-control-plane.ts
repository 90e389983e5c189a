/** A control plane's HTTP API on loopback, answered by a test, and a CA that signs relays' keys. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as x509 from "@peculiar/x509";

export interface HeardRequest {
  readonly method: string;
  readonly path: string;
  readonly token: string | null;
  readonly body: unknown;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeControlPlane extends AsyncDisposable {
  readonly url: string;
  readonly heard: HeardRequest[];
}

/** Answers each request by what `answer` returns; undefined is a 404. */
export async function startFakeControlPlane(
  answer: (request: HeardRequest) => FakeAnswer | undefined | Promise<FakeAnswer | undefined>,
): Promise<FakeControlPlane> {
  const heard: HeardRequest[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      const whole: HeardRequest = {
        method: request.method ?? "",
        path: request.url ?? "",
        token: request.headers.authorization?.replace("Bearer ", "") ?? null,
        body: text === "" ? null : JSON.parse(text),
      };
      heard.push(whole);
      void Promise.resolve(answer(whole)).then((given) => {
        const found = given ?? problem(404, "resource.not-found", "Check the id.");
        response.writeHead(found.status ?? 200, {
          "content-type": found.contentType ?? "application/json",
          ...found.headers,
        });
        response.end(found.text ?? JSON.stringify(found.json ?? null));
        return null;
      });
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** A failure as the control plane answers it. */
export function problem(status: number, code: string, title: string, detail?: string): FakeAnswer {
  return {
    status,
    contentType: "application/problem+json",
    json: { type: "x", status, code, title, detail, requestId: "req_1", retryable: false },
  };
}

/** A body that is refused for what its fields have wrong. */
export function invalidFields(messages: Readonly<Record<string, string>>): FakeAnswer {
  const refused = problem(422, "request.invalid", "Correct the fields that the answer names.");
  const fields = Object.entries(messages).map(([field, message]) => ({ field, message }));
  return { ...refused, json: { ...(refused.json as object), fields } };
}

/** Answers an enrolment as the real control plane does; `keys` replaces the CSR's key. */
export async function answerEnrolment(
  url: string,
  csr: string,
  isOtherKey = false,
): Promise<FakeAnswer> {
  const request = new x509.Pkcs10CertificateRequest(csr);
  if (!(await request.verify())) {
    return problem(422, "relay.csr-invalid", "Send a PEM certificate request.");
  }
  const caKeys = await makeKeys();
  const validity = {
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 90 * 24 * 3_600_000),
  };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Test CA",
    keys: caKeys,
    ...validity,
  });
  const certificate = await x509.X509CertificateGenerator.create({
    subject: "CN=relay-1",
    issuer: ca.subject,
    publicKey: isOtherKey ? (await makeKeys()).publicKey : await request.publicKey.export(),
    signingKey: caKeys.privateKey,
    ...validity,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: "ip", value: "127.0.0.1" },
        { type: "dns", value: "relay.example" },
      ]),
    ],
  });
  return {
    status: 201,
    json: {
      relayId: "rly_AAAAAAAAAAAAAAAAAAAAAA",
      controlUrl: url,
      certificate: certificate.toString("pem"),
      ca: ca.toString("pem"),
      hostSubject: "CN=relay-1",
    },
  };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}
