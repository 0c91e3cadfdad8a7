import { onAbort } from "../../core/wait.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import type { Address } from "../../net/address.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import type { Dial } from "../../net/dial.ts";
import { CheckFailedError } from "./check.ts";

/** Options of {@linkcode exchange}. */
export interface ExchangeOptions {
  /** Opens the connection. */
  readonly dial: Dial;
  /** Whom it goes to. */
  readonly address: Address;
  /** Closes the connection at once, whatever waits for it. */
  readonly signal: AbortSignal;
}

/**
 * Dials, lets `talk` use the connection, and closes it when that is over.
 *
 * @throws what dialling or `talk` throws; the signal's reason if it has fired; {@linkcode CheckFailedError} if the
 * connection breaks.
 */
export async function exchange<T>(
  options: ExchangeOptions,
  talk: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { signal } = options;
  signal.throwIfAborted();
  const connection = await dialNow(options);
  using _abort = onAbort(signal, () => closeQuietly(connection));
  try {
    signal.throwIfAborted();
    return await talk(connection);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof CulvertError) throw error;
    throw new CheckFailedError(`the connection broke: ${describeError(error)}`, { cause: error });
  } finally {
    closeQuietly(connection);
  }
}

/** Some diallers have words of their own for a signal that has fired. */
async function dialNow({ dial, address, signal }: ExchangeOptions): Promise<Connection> {
  try {
    return await dial(address, signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}
