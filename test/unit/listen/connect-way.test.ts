/** Which hosts a CONNECT may name. */
import { expect, it } from "vitest";
import { labelOfAuthority } from "../../../relay/listen/connect-way.ts";

const LABEL = "0123456789abcdef0123456789abcdef";
const HOST = `${LABEL}.kerbside.invalid`;

it("finds the label in a pseudo host with any port", () => {
  for (const port of [1, 443, 5901, 65_535]) {
    expect(labelOfAuthority(`${HOST}:${port}`)).toBe(LABEL);
  }
  expect(labelOfAuthority(`${HOST.toUpperCase()}:1`)).toBe(LABEL);
});

it.each([
  "",
  HOST,
  `${HOST}:`,
  `${HOST}:0`,
  `${HOST}:65536`,
  `${HOST}:1x`,
  `${HOST}.:1`,
  `x${HOST}:1`,
  `user@${HOST}:1`,
  `${HOST}/:1`,
  `http://${HOST}:1`,
  ` ${HOST}:1`,
  `${HOST}:1\n`,
  "127.0.0.1:22",
  "[::1]:22",
  "kerbside.invalid:1",
])("finds none in %j", (authority) => {
  expect(labelOfAuthority(authority)).toBeNull();
});
