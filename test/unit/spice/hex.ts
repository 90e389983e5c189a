/**
 * Bytes laid out by hand: pairs of hexadecimal digits, with `#` comments to the end of the line.
 * The text is an oracle of its own, so it must not be made by the encoder under test.
 */

/** The bytes of `text`; throws on anything that is neither a pair of digits nor a comment. */
export function hex(text: string): Uint8Array {
  const pairs = text
    .replaceAll(/#.*$/gm, "")
    .split(/\s+/)
    .filter((pair) => pair !== "");
  const wrong = pairs.find((pair) => !/^(?:[0-9a-f]{2})+$/i.test(pair));
  if (wrong !== undefined) {
    throw new Error(`not hexadecimal: ${wrong}`);
  }
  const digits = pairs.join("");
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
}

/** What `action` threw, or null. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action();
    return null;
  } catch (error) {
    return error;
  }
}
