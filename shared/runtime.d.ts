/**
 * The few web-standard globals that shared code may use: those that Node, workerd and every
 * browser have alike and that give the same answer each time. Everything else (clocks, timers,
 * randomness, files, sockets) is passed in.
 */
declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array): string;
}

declare function atob(data: string): string;
declare function btoa(data: string): string;

/** An imported key: opaque here. */
interface SharedCryptoKey {
  readonly type: string;
}

/** The deterministic part of WebCrypto. */
declare const crypto: {
  readonly subtle: {
    importKey(
      format: "raw",
      keyData: Uint8Array<ArrayBuffer>,
      algorithm: string | { readonly name: string; readonly hash?: string },
      extractable: boolean,
      usages: ("sign" | "verify" | "deriveBits" | "encrypt" | "decrypt")[],
    ): Promise<SharedCryptoKey>;
    sign(
      algorithm: string,
      key: SharedCryptoKey,
      data: Uint8Array<ArrayBuffer>,
    ): Promise<ArrayBuffer>;
    digest(algorithm: string, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
    deriveBits(
      algorithm: {
        readonly name: "HKDF";
        readonly hash: string;
        readonly salt: Uint8Array<ArrayBuffer>;
        readonly info: Uint8Array<ArrayBuffer>;
      },
      key: SharedCryptoKey,
      lengthBits: number,
    ): Promise<ArrayBuffer>;
    encrypt(
      algorithm: { readonly name: "AES-GCM"; readonly iv: Uint8Array<ArrayBuffer> },
      key: SharedCryptoKey,
      data: Uint8Array<ArrayBuffer>,
    ): Promise<ArrayBuffer>;
    decrypt(
      algorithm: { readonly name: "AES-GCM"; readonly iv: Uint8Array<ArrayBuffer> },
      key: SharedCryptoKey,
      data: Uint8Array<ArrayBuffer>,
    ): Promise<ArrayBuffer>;
  };
};
