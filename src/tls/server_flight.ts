import { enlarge } from "../core/enlarge.ts";
import { MAX_CHAIN_BYTES } from "./x509/path/chain.ts";
import { TlsHandshakeError } from "./session/handshake_errors.ts";
import { hasFewPaths } from "./x509/path/count.ts";

/** What a server's flight may be. */
export interface ServerFlightOptions {
  /** The most that may come after the ServerHello by TLS 1.3, in bytes: it is encrypted, and can't be looked into. */
  readonly maxEncryptedBytes: number;
  /** Told when a server is refused for the size of what it sends encrypted; says what follows. */
  onOversized(): string;
}

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const HANDSHAKE_RECORD = 22;
const APPLICATION_RECORD = 23;
const CERTIFICATE = 11;
/** The most bytes before the certificates: a ServerHello, perhaps two. */
const MAX_MESSAGE_BYTES = MAX_CHAIN_BYTES + 1024;

/**
 * Looks at what a server sends in a handshake before the engine gets it. The engine searches for a path among all
 * certificates of the server, up to 200,000 steps, whatever it is told to trust and to verify, and nothing can be
 * asked in between.
 *
 * By TLS 1.2 the certificates are in clear: what has more than a few paths in it is refused, and the engine's search
 * is short. By TLS 1.3 they are encrypted, and only their size is bounded.
 *
 * Record and message formats: RFC 8446 sections 4 and 5.1, RFC 5246 section 7.4.2.
 */
export class ServerFlight {
  readonly #options: ServerFlightOptions;
  readonly #header = new Uint8Array(RECORD_HEADER_BYTES);
  #headerBytes = 0;
  /** What of the record under way is still to come. */
  #left = 0;
  /** The handshake messages in clear that have come, without the headers of their records. */
  #messages = new Uint8Array(1024);
  #messageBytes = 0;
  #encryptedBytes = 0;
  #done = false;

  constructor(options: ServerFlightOptions) {
    this.#options = options;
  }

  /**
   * Looks at the next bytes, which are not changed.
   *
   * @throws {TlsHandshakeError} `too-large` or `bad-certificate` for what the engine must not get; `bad-message`.
   */
  inspect(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#done;) {
      if (this.#left === 0) {
        this.#header[this.#headerBytes++] = bytes[at++]!;
        if (this.#headerBytes === RECORD_HEADER_BYTES) this.#beginRecord();
        continue;
      }
      const count = Math.min(this.#left, bytes.length - at);
      if (this.#header[0] === HANDSHAKE_RECORD) this.#take(bytes.subarray(at, at + count));
      this.#left -= count;
      at += count;
    }
  }

  #beginRecord(): void {
    this.#headerBytes = 0;
    this.#left = this.#header[3]! * 256 + this.#header[4]!;
    if (this.#header[0] === HANDSHAKE_RECORD && this.#left === 0) {
      throw new TlsHandshakeError("bad-message", { detail: "it sent an empty handshake record" });
    }
    if (this.#header[0] !== APPLICATION_RECORD) return;
    // All of it as soon as it is announced.
    this.#encryptedBytes += this.#left;
    const { maxEncryptedBytes: most } = this.#options;
    if (this.#encryptedBytes <= most) return;
    this.#options.onOversized();
    throw new TlsHandshakeError("too-large", {
      detail:
        `its handshake by TLS 1.3 has more than ${most} bytes, which can't be checked before it is processed`,
    });
  }

  #take(piece: Uint8Array): void {
    const filled = this.#messageBytes + piece.length;
    if (filled > MAX_MESSAGE_BYTES) throw tooLarge();
    if (filled > this.#messages.length) {
      const sizeBytes = Math.min(Math.max(filled, 2 * this.#messages.length), MAX_MESSAGE_BYTES);
      this.#messages = enlarge(this.#messages, sizeBytes);
    }
    this.#messages.set(piece, this.#messageBytes);
    this.#messageBytes = filled;
    this.#readMessages();
  }

  /** Goes from message to message to the certificates. */
  #readMessages(): void {
    const messages = this.#messages.subarray(0, this.#messageBytes);
    for (let at = 0; at + MESSAGE_HEADER_BYTES <= messages.length;) {
      const body = at + MESSAGE_HEADER_BYTES;
      const end = body + uint24(messages, at + 1);
      if (end - at > MAX_MESSAGE_BYTES) throw tooLarge();
      if (end > messages.length) return;
      if (messages[at] === CERTIFICATE) {
        this.#done = true;
        const chain = certificatesOf(messages.subarray(body, end));
        if (hasFewPaths(chain)) return;
        throw new TlsHandshakeError("bad-certificate", {
          detail: "its certificates can be combined into too many paths",
          chain,
        });
      }
      at = end;
    }
  }
}

/** The certificates of a Certificate message of TLS 1.2. */
function certificatesOf(body: Uint8Array): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let at = 3;
  while (at + 3 <= body.length) {
    const end = at + 3 + uint24(body, at);
    if (end > body.length) break;
    chain.push(body.slice(at + 3, end));
    at = end;
  }
  if (body.length < 3 || uint24(body, 0) !== body.length - 3 || at !== body.length) {
    throw new TlsHandshakeError("bad-message", { detail: "its list of certificates is malformed" });
  }
  return chain;
}

function uint24(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 65_536 + bytes[at + 1]! * 256 + bytes[at + 2]!;
}

function tooLarge(): TlsHandshakeError {
  const detail = `it sent certificates of more than ${MAX_CHAIN_BYTES} bytes`;
  return new TlsHandshakeError("too-large", { detail });
}
