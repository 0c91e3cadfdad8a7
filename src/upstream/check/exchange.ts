import { onAbort } from "../../core/wait.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import type { Address } from "../../net/address.ts";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import type { Dial } from "../../net/dial.ts";
import { CheckFailedError } from "./check.ts";

/** Options of {@linkcode exchange}. */
export interface CheckExchangeOptions {
  /** Opens the connection. */
  readonly dial: Dial;
  /** The backend. */
  readonly address: Address;
  /** Aborts, and closes the connection at once. */
  readonly signal: AbortSignal;
}

/**
 * Dials, runs `talk` with the connection, and closes it.
 *
 * @throws what the dial or `talk` throws; the signal's reason if it has aborted; {@linkcode CheckFailedError} if the
 * connection breaks.
 */
export async function exchange<T>(
  options: CheckExchangeOptions,
  talk: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { dial, address, signal } = options;
  signal.throwIfAborted();
  let connection: Connection;
  try {
    connection = await dial(address, signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error; // Some diallers throw an error of their own.
  }
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
