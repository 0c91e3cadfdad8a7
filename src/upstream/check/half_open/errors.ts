import { constants } from "node:os";
import { CulvertError } from "../../../core/errors.ts";
import { type Address, formatAddress } from "../../../net/address.ts";

/** How a half-open check has failed, whatever the system's code. */
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
// Two names have this number; this is the usual one.
NAMES.set(constants.errno.EAGAIN, "EAGAIN");

/** The backend did not answer with a SYN-ACK in time. */
export class HalfOpenTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenTimeoutError";
  /** As in {@linkcode HalfOpenConnectError}. */
  readonly failure: HalfOpenFailure = "timed out";

  /** `timeoutMs` is the timeout, including the wait for a socket. */
  constructor(address: Address, timeoutMs: number) {
    super("half_open_timeout", `Cannot check "${formatAddress(address)}": timed out after ${timeoutMs}ms`);
  }
}

/** The connection was refused, reset or not possible. */
export class HalfOpenConnectError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenConnectError";
  /** The kind of failure. */
  readonly failure: HalfOpenFailure;
  /** The name of the system's error, such as `ECONNREFUSED`, or `errno 999` if it has none. */
  readonly systemCode: string;
  /** The number of the system's error. */
  readonly errno: number;

  /** `errno` is the number of the system's error. */
  constructor(address: Address, errno: number) {
    const systemCode = systemCodeOf(errno);
    const failure = FAILURES[systemCode] ?? "failed";
    super("half_open_connect", `Cannot check "${formatAddress(address)}": ${failure} (${systemCode})`);
    this.failure = failure;
    this.systemCode = systemCode;
    this.errno = errno;
  }
}

/** A local resource is lacking, such as a file descriptor. Says nothing about the backend. */
export class HalfOpenSystemError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenSystemError";
  /** The name of the system's error, such as `EMFILE`. */
  readonly systemCode: string;
  /** The number of the system's error. */
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

  /** `why` is the error of the resolver. */
  constructor(host: string, why: string) {
    super("half_open_resolve", `Cannot resolve "${host}" to check it: ${why}`);
  }
}

/** `start` was called twice. */
export class HalfOpenAlreadyStartedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenAlreadyStartedError";

  /** The checker keeps running. */
  constructor() {
    super("half_open_already_started", "Cannot start the half-open checker: it is already started");
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

/** The checker was closed before or during the check. */
export class HalfOpenClosedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenClosedError";

  /** May be shared by all checks. */
  constructor() {
    super("half_open_closed", "Cannot check: the half-open checker is closed");
  }
}

/** The permission to use the C library is missing, which half-open checks need. */
export class HalfOpenPermissionError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenPermissionError";
  /** The flag to add, such as `--allow-ffi=/lib/x86_64-linux-gnu/libc.so.6`. */
  readonly flag: string;

  /** `paths` are the possible paths of the C library, the likeliest first. */
  constructor(paths: readonly string[]) {
    const [first, ...others] = paths;
    const flag = `--allow-ffi=${first}`;
    const other = others.length === 0 ? "" : ` (or, if the C library is there, =${others.join(", =")})`;
    super(
      "half_open_permission",
      `Cannot make half-open checks: a permission is missing; add ${flag}${other}`,
    );
    this.flag = flag;
  }
}

/** Half-open checks are not supported on this system, or for this address. */
export class HalfOpenUnsupportedError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HalfOpenUnsupportedError";

  /** `message` describes the request and why it is not supported. */
  constructor(message: string, options?: ErrorOptions) {
    super("half_open_unsupported", message, options);
  }
}

function systemCodeOf(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}
