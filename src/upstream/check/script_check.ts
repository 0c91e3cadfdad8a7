import { latin1 } from "../../core/latin1.ts";
import type { Address } from "../../net/address.ts";
import { type Connection, writeAll } from "../../net/connection.ts";
import type { Dial } from "../../net/dial.ts";
import { quoteText } from "../../core/escape_text.ts";
import { ByteWindow } from "./byte_window.ts";
import { type Check, CheckFailedError, type CheckReport } from "./check.ts";
import { exchange } from "./exchange.ts";
import { type CompiledStep, compileScript, MAX_EXPECT_BYTES, type ScriptStep } from "./script_steps.ts";

/** Options of {@linkcode ScriptCheck}. */
export interface ScriptCheckOptions {
  /** Opens the connections, with or without TLS. */
  readonly dial: Dial;
  /** What is sent and expected, in order. */
  readonly steps: readonly ScriptStep[];
}

/**
 * Succeeds if all steps of a script do.
 *
 * An expected text may occur anywhere in what the backend sends. The bytes up to its end are consumed, and the next
 * expected text is searched behind it. How the backend's bytes are split into packets, and when they arrive, makes no
 * difference. At most 64 KiB are read for each expected text.
 *
 * @example
 * ```ts
 * import { dial, ScriptCheck } from "@culvert/culvert";
 *
 * using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const serving = backend.accept().then(async (connection) => {
 *   await connection.read(new Uint8Array(6)); // PING
 *   await connection.write(new TextEncoder().encode("+PONG\r\n"));
 *   connection.close();
 * });
 * const address = { kind: "tcp", host: "127.0.0.1", port: backend.addr.port } as const;
 * const check = new ScriptCheck({ dial, steps: [{ send: "PING\r\n" }, { expect: "+PONG" }] });
 * const { detail } = await check.run(address, AbortSignal.timeout(2_000));
 * console.log(detail); // script done
 * await serving;
 * ```
 */
export class ScriptCheck implements Check {
  readonly #dial: Dial;
  readonly #steps: readonly CompiledStep[];

  /**
   * Opens nothing yet.
   *
   * @throws {CulvertError} `bad_script`
   */
  constructor(options: ScriptCheckOptions) {
    this.#dial = options.dial;
    this.#steps = compileScript(options.steps);
  }

  async run(address: Address, signal: AbortSignal): Promise<CheckReport> {
    return await exchange({ dial: this.#dial, address, signal }, async (connection) => {
      const received = new ByteWindow(MAX_EXPECT_BYTES);
      for (const step of this.#steps) {
        if (step.kind === "send") await writeAll(connection, step.bytes);
        else await expect(step, { connection, received });
      }
      return { detail: "script done" };
    });
  }
}

async function expect(
  step: CompiledStep,
  { connection, received }: { connection: Connection; received: ByteWindow },
): Promise<void> {
  const { bytes } = step;
  let from = 0;
  for (;;) {
    const at = received.indexOf(bytes, from);
    if (at >= 0) return received.consume(at + bytes.length);
    // The received bytes may end with a part of the text.
    from = Math.max(0, received.bytes.length - bytes.length + 1);
    if (received.full) throw missed(step, received, `in ${MAX_EXPECT_BYTES} bytes`);
    if (!await received.readFrom(connection)) {
      throw missed(step, received, "before the connection was closed");
    }
  }
}

function missed(step: CompiledStep, { bytes }: ByteWindow, where: string): CheckFailedError {
  const { number, text } = step;
  const seen = bytes.length === 0
    ? "nothing was received"
    : `received ${quoteText(latin1(bytes, 0, Math.min(bytes.length, 128)))}`;
  return new CheckFailedError(`step ${number}, ${quoteText(text)}, was not met ${where}: ${seen}`);
}
