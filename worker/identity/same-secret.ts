/** Compares secrets. */
import { equalBytes, utf8 } from "#shared/base/bytes.ts";

/** Whether both are the same, in a time that says nothing about where or by how much they differ. */
export async function isSameSecret(left: string, right: string): Promise<boolean> {
  const [leftHash, rightHash] = await Promise.all([hash(left), hash(right)]);
  return equalBytes(leftHash, rightHash);
}

async function hash(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text)));
}
