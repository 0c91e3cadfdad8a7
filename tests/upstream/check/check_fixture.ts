import { type Address, parseAddress } from "../../../src/net/address.ts";
import type { Dial } from "../../../src/net/dial.ts";
import { type Handler, startBackend, type TestBackend } from "../../support/peers.ts";
import { type MemoryConnection, memoryPair } from "../../support/memory_connection.ts";
import { writeAll } from "../../support/bytes.ts";

/** A signal that never fires. */
export const NEVER = new AbortController().signal;

/** A backend with its address as checks take it. */
export interface CheckedBackend extends TestBackend {
  readonly at: Address;
}

/** Starts a backend for checks. */
export function startChecked(handle: Handler, options: { path?: string } = {}): CheckedBackend {
  const backend = startBackend(handle, options);
  return Object.defineProperty(backend, "at", { value: parseAddress(backend.address) }) as CheckedBackend;
}

/** Reads until a text has come; all that has come by then. */
export async function readUntil(connection: Deno.Conn, text: string): Promise<string> {
  const buffer = new Uint8Array(4096);
  let all = "";
  while (!all.includes(text)) {
    const count = await connection.read(buffer);
    if (count === null) throw new Deno.errors.UnexpectedEof(`the check left after ${JSON.stringify(all)}`);
    all += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return all;
}

/** What answers each request with these bytes, and then ends. */
export function answering(answer: string): Handler {
  return async (connection) => {
    await readUntil(connection, "\r\n\r\n");
    await writeAll(connection, new TextEncoder().encode(answer));
    await connection.closeWrite();
    await drain(connection);
  };
}

/** Reads on to the end. */
export async function drain(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await connection.read(buffer) !== null);
}

/** Any address: a dialler in memory looks at none. */
export const ANYWHERE: Address = { kind: "tcp", host: "backend.test", port: 80 };

/** A dialler that makes one connection in memory, and its other end. */
export function memoryDial(options: { capacity?: number } = {}): {
  dial: Dial;
  near: MemoryConnection;
  far: MemoryConnection;
} {
  const [near, far] = memoryPair(options);
  return { dial: () => Promise.resolve(near), near, far };
}

/** Sends a text in pieces of so many characters, each of which is read by itself, and ends. */
export async function sendInPieces(far: MemoryConnection, { text, size }: { text: string; size: number }) {
  try {
    for (let at = 0; at < text.length; at += size) await far.send(text.slice(at, at + size));
    await far.closeWrite();
  } catch {
    // The check has seen enough.
  }
}
