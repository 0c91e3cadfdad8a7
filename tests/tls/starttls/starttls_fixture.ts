import { TlsHandshakeError } from "../../../src/tls/session/handshake_errors.ts";
import type { StartTlsName } from "../../../src/tls/starttls/protocol.ts";
import { offerTls, requestTls } from "../../../src/tls/starttls/start_tls.ts";
import { type MemoryConnection, memoryPair } from "../../support/memory_connection.ts";

/** What came of a prelude. */
export interface Outcome {
  /** `tls`, or the reason why there is none. */
  readonly end: string;
  /** All that the peer was told, as Latin-1. */
  readonly said: string;
  /** What was read and belongs to TLS; for a client, the server's greeting. */
  readonly rest: string;
}

/** Bytes of a text in Latin-1. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Text of bytes in Latin-1. */
export function latin1(data: Uint8Array | undefined): string {
  return String.fromCharCode(...data ?? []);
}

/** The part of the server, with a client that sends these pieces one after the other and leaves. */
export function offered(protocol: StartTlsName, pieces: readonly string[]): Promise<Outcome> {
  return play(pieces, async (connection, signal) => {
    const offered = await offerTls(connection, { protocol, signal, hostName: "mx.test" });
    if (!offered.isDirect) return "";
    const buffer = new Uint8Array(4096);
    return latin1(buffer.subarray(0, await offered.connection.read(buffer) ?? 0));
  });
}

/** The part of the client, with a server that sends these pieces one after the other and leaves. */
export function requested(protocol: StartTlsName, pieces: readonly string[]): Promise<Outcome> {
  return play(
    pieces,
    async (connection, signal) => latin1(await requestTls(connection, { protocol, signal })),
  );
}

/** The same pieces, one byte each. */
export function inBytes(pieces: readonly string[]): string[] {
  return [...pieces.join("")];
}

async function play(
  pieces: readonly string[],
  run: (connection: MemoryConnection, signal: AbortSignal) => Promise<string>,
): Promise<Outcome> {
  const [ours, theirs] = memoryPair();
  const signal = new AbortController().signal;
  let said = "";
  const listening = (async () => {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await theirs.read(buffer).catch(() => null);
      if (count === null) return;
      said += latin1(buffer.subarray(0, count));
    }
  })();
  const speaking = (async () => {
    for (const piece of pieces) {
      await theirs.send(bytes(piece));
      // So that each is read by itself: what follows must not come along with it.
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }
    await theirs.closeWrite();
  })().catch(() => {});
  let end = "tls";
  let rest = "";
  try {
    rest = await run(ours, signal);
    await ours.closeWrite();
  } catch (error) {
    if (!(error instanceof TlsHandshakeError)) throw error;
    end = error.reason;
    if (!ours.closed) throw new Error("the connection is open after a failure");
  }
  await Promise.all([speaking, listening]);
  return { end, said, rest };
}
