/**
 * A TCP connection whose bytes can be had without a copy or an allocation: the kernel writes them
 * into one buffer that all such connections of the process share, and whoever takes the connection
 * over is called with a view into it. Until then it is an ordinary stream (its bytes are copied
 * out), so that a link can be made on it, or TLS put over it. Promises that no byte is lost or
 * reordered at the take-over. It must not look at the bytes.
 */
import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import type { Duplex } from "node:stream";
import { assert } from "#shared/base/assert.ts";

/**
 * Takes bytes. The chunk is valid only until the call returns: the next read, of whichever
 * connection, overwrites it. False stops the reading until the socket's `resume`.
 */
export type TakeBytes = (chunk: Buffer) => boolean;

/** Like net.connect; what it returns can be given to {@link takeDirectly}. */
export function connectDirect(options: TcpNetConnectOpts): Socket {
  const reader: DirectReader = { take: null };
  const socket: Socket = connect({
    ...options,
    onread: {
      buffer: SHARED_BUFFER,
      callback: (byteCount): boolean => {
        const chunk = SHARED_BUFFER.subarray(0, byteCount);
        return reader.take === null ? socket.push(Buffer.from(chunk)) : reader.take(chunk);
      },
    },
  });
  READERS.set(socket, reader);
  return socket;
}

/**
 * From now on `take` gets what the stream reads, in place of its 'data' events; 'end', 'error' and
 * 'close', `pause` and `resume` stay as they are. Returns what the stream had read already, which
 * comes first, and null when this stream cannot be taken over (it is no connection of
 * {@link connectDirect}, or one under TLS). Nobody else may read the stream afterwards.
 */
export function takeDirectly(stream: Duplex, take: TakeBytes): readonly Buffer[] | null {
  const reader = READERS.get(stream);
  if (reader === undefined) {
    return null;
  }
  assert(reader.take === null, "a connection is taken over once");
  reader.take = take;
  const held: Buffer[] = [];
  for (let chunk = readHeld(stream); chunk !== null; chunk = readHeld(stream)) {
    held.push(chunk);
  }
  return held;
}

interface DirectReader {
  take: TakeBytes | null;
}

function readHeld(stream: Duplex): Buffer | null {
  return stream.read() as Buffer | null;
}

/**
 * One read's bytes at most: nine full TLS records, because Node's TLS layer hands the kernel ten
 * blocks of 16 KiB in one call, and nine records with what encryption adds fit into them.
 */
export const READ_BYTES_MAX = 9 * 16 * 1024;
/** Reading is synchronous and single-threaded, so that one buffer serves every connection. */
const SHARED_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES_MAX);
const READERS = new WeakMap<Duplex, DirectReader>();
