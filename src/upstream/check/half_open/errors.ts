import { constants } from "node:os";
import { CulvertError } from "../../../core/errors.ts";
import { type Address, formatAddress } from "../../../net/address.ts";

/** In what way a half-open check has failed: what it means for the backend, whatever the system calls it. */
export type HalfOpenFailure = "refused" | "unreachable" | "timed out" | "reset" | "failed";

const FAILURES: Readonly<Record<string, HalfOpenFailure>> = {
  ECONNREFUSED: "refused",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  EHOSTDOWN: "unreachable",
  ETIMEDOUT: "timed out",
  ECONNRESET: "reset",
  EPIPE: "reset",
};

const NAMES = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno as number, name]));
// Two names for one number: the usual one.
NAMES.set(constants.errno.EAGAIN, "EAGAIN");

/** The backend did not answer with a SYN-ACK in the time that it had. */
export class HalfOpenTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenTimeoutError";
  /** The same word as in {@linkcode HalfOpenConnectError}. */
  readonly failure: HalfOpenFailure = "timed out";

  /** `timeoutMs` is the time that the check had, waiting for its turn included. */
  constructor(address: Address, timeoutMs: number) {
    super("half_open_timeout", `Cannot check "${formatAddress(address)}": timed out after ${timeoutMs}ms`);
  }
}

/** The system could not connect to the backend, or the backend would not have it. */
export class HalfOpenConnectError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenConnectError";
  /** What that means for the backend. */
  readonly failure: HalfOpenFailure;
  /** The system's name for it, such as `ECONNREFUSED`, or `errno 999` if it has none. */
  readonly systemCode: string;
  /** The system's number for it. */
  readonly errno: number;

  /** `errno` is what the system has said. */
  constructor(address: Address, errno: number) {
    const systemCode = systemCodeOf(errno);
    const failure = FAILURES[systemCode] ?? "failed";
    super("half_open_connect", `Cannot check "${formatAddress(address)}": ${failure} (${systemCode})`);
    this.failure = failure;
    this.systemCode = systemCode;
    this.errno = errno;
  }
}

/** The machine that checks has not got what a check takes, such as a free descriptor. Says nothing of the backend. */
export class HalfOpenSystemError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenSystemError";
  /** The system's name for it, such as `EMFILE`. */
  readonly systemCode: string;
  /** The system's number for it. */
  readonly errno: number;

  /** `operation` is the system call that failed. */
  constructor(operation: string, errno: number) {
    const systemCode = systemCodeOf(errno);
    super("half_open_system", `Cannot check: ${operation} failed with ${systemCode}`);
    this.systemCode = systemCode;
    this.errno = errno;
  }
}

/** A host name could not be resolved. */
export class HalfOpenResolveError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenResolveError";

  /** `why` is what the resolver says. */
  constructor(host: string, why: string) {
    super("half_open_resolve", `Cannot resolve "${host}" to check it: ${why}`);
  }
}

/** `start` was called before. */
export class HalfOpenAlreadyStartedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenAlreadyStartedError";

  /** Nothing has changed. */
  constructor() {
    super("half_open_already_started", "Cannot start the half-open checker: it was started before");
  }
}

/** The checker has not been started yet. */
export class HalfOpenNotStartedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenNotStartedError";

  /** For a check of `address`. */
  constructor(address: Address) {
    const why = "the half-open checker has not been started";
    super("half_open_not_started", `Cannot check "${formatAddress(address)}": ${why}`);
  }
}

/** The checker was closed, before the check or during it. */
export class HalfOpenClosedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenClosedError";

  /** One may serve for all that end with the checker. */
  constructor() {
    super("half_open_closed", "Cannot check: the half-open checker is closed");
  }
}

/** The C library may not be used. There is no other way to check like that, and none is tried. */
export class HalfOpenPermissionError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenPermissionError";
  /** What to start the program with, such as `--allow-ffi=/lib/x86_64-linux-gnu/libc.so.6`. */
  readonly flag: string;

  /** `paths` are where the C library may be, the likeliest first. */
  constructor(paths: readonly string[]) {
    const [first, ...others] = paths;
    const flag = `--allow-ffi=${first}`;
    const other = others.length === 0 ? "" : ` (or, where the C library is there, =${others.join(", =")})`;
    super(
      "half_open_permission",
      `Cannot make half-open checks: a permission is missing; add ${flag}${other}`,
    );
    this.flag = flag;
  }
}

/** This can't be checked half-open: not on this system, or not this kind of address. */
export class HalfOpenUnsupportedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenUnsupportedError";

  /** `message` says what was wanted and why it can't be done. */
  constructor(message: string, options?: ErrorOptions) {
    super("half_open_unsupported", message, options);
  }
}

function systemCodeOf(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}
