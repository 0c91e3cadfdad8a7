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
  /** Opens the connections, in plain or with TLS. */
  readonly dial: Dial;
  /** What is said and expected, in this order. */
  readonly steps: readonly ScriptStep[];
}

/**
 * A backend is fit with which a script can be gone through.
 *
 * What is expected must occur, byte for byte, in what the backend sends, wherever that may be in it; what comes up
 * to the end of that has been used, and the next step that expects looks in what follows. Sending uses nothing
 * up: how the backend's bytes are cut into packets, and when they come, makes no difference. 64 KiB may come for
 * each step that expects, and are kept.
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
    // What has come may end with the beginning of it.
    from = Math.max(0, received.bytes.length - bytes.length + 1);
    if (received.full) throw missed(step, received, `in ${MAX_EXPECT_BYTES} bytes`);
    if (!await received.readFrom(connection)) throw missed(step, received, "before the connection ended");
  }
}

function missed(step: CompiledStep, { bytes }: ByteWindow, where: string): CheckFailedError {
  const { number, text } = step;
  const seen = bytes.length === 0
    ? "nothing came"
    : `what came was ${quoteText(latin1(bytes, 0, Math.min(bytes.length, 128)))}`;
  return new CheckFailedError(`step ${number}, ${quoteText(text)}, was not met ${where}: ${seen}`);
}
