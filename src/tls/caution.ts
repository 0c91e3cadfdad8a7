import process from "node:process";
import type { EngineGuard } from "./session/cipher_stream.ts";
import { TlsHandshakeError } from "./session/handshake_errors.ts";
import { ServerFlight } from "./server_flight.ts";
import type { TlsVersion } from "./session/server_context.ts";

/** What a server may send encrypted in its handshake where TLS 1.2 can be spoken instead, and where it can't. */
const MAX_FLIGHT_BYTES = 8192;
const MAX_FLIGHT_BYTES_1_3_ONLY = 16_384;
/** The engine takes 1 to 5 ms for an honest handshake. */
const COSTLY_US = 200_000;
/** For how long there is reason for caution after a handshake that was costly. */
const CAUTION_MS = 600_000;

/**
 * What the servers of a context have cost, and what follows. By TLS 1.3 certificates are encrypted: a hostile server
 * can have the engine search for paths among them for as long as their size allows, and that can't be known before.
 * So after a handshake that was costly, or whose flight was too large, TLS 1.2 alone is spoken, by which certificates
 * are checked before the engine gets them: for ten minutes, or for good. Where `minVersion` rules that out, a costly
 * server is not spoken with for ten minutes.
 */
export class Caution {
  readonly #options: { minVersion: TlsVersion; maxVersion: TlsVersion; now: () => number };
  #untilMs = -Infinity;

  constructor(options: { minVersion: TlsVersion; maxVersion: TlsVersion; now: () => number }) {
    this.#options = options;
  }

  /** Whether there is reason for caution now. */
  get isDue(): boolean {
    return this.#options.now() < this.#untilMs;
  }

  /**
   * Watches one handshake.
   *
   * @throws {TlsHandshakeError} `too-costly` where none may be begun.
   */
  guard(): EngineGuard {
    const { minVersion } = this.#options;
    const isStuck = minVersion === "1.3";
    if (isStuck && this.isDue) {
      const detail = "its last handshake took too much processor time, and TLS 1.2 is not allowed";
      throw new TlsHandshakeError("too-costly", { detail });
    }
    const flight = new ServerFlight({
      maxEncryptedBytes: isStuck ? MAX_FLIGHT_BYTES_1_3_ONLY : MAX_FLIGHT_BYTES,
      onOversized: () => {
        if (isStuck) return "let it send fewer certificates or CA names";
        this.#untilMs = Infinity;
        return "TLS 1.2 is spoken with it from now on";
      },
    });
    let before = process.cpuUsage();
    return {
      before: (bytes) => {
        flight.inspect(bytes);
        before = process.cpuUsage();
      },
      after: () => {
        const { user, system } = process.cpuUsage(before);
        if (user + system > COSTLY_US) {
          this.#untilMs = Math.max(this.#untilMs, this.#options.now() + CAUTION_MS);
        }
      },
    };
  }
}
