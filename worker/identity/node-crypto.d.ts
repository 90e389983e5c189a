/**
 * The part of Node's crypto that the Workers runtime has too and that local users' passwords need.
 * The Workers' own type package does not describe Node's modules.
 */
declare module "node:crypto" {
  // oxlint-disable-next-line max-params -- Node's own signature
  export function scrypt(
    password: string,
    salt: Uint8Array,
    keyLength: number,
    options: { N: number; r: number; p: number; maxmem: number },
    callback: (error: Error | null, key: Uint8Array) => void,
  ): void;
  export function timingSafeEqual(left: Uint8Array, right: Uint8Array): boolean;
}
