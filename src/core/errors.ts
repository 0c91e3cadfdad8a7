/**
 * The base of every error that Culvert throws on purpose. `code` is stable and meant for programs; the message
 * says what was done to what, and `cause` keeps what the runtime said.
 */
export class CulvertError extends Error {
  /** The name of the class, for logs. */
  override name = "CulvertError";
  /** A stable name for the kind of error, such as `connect_timeout`. */
  readonly code: string;

  /** `options.cause` keeps what led to it. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** One line for a log: the error's message, or the value itself when something else was thrown. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
