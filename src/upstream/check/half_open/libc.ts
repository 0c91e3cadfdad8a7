import { HalfOpenPermissionError, HalfOpenUnsupportedError } from "./errors.ts";
import { libcPaths } from "./libc_paths.ts";

/** The functions that half-open checks call. `size_t` and `socklen_t` as on 64-bit Linux. */
const SYMBOLS = {
  __errno_location: { parameters: [], result: "usize" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // On another thread, as it blocks. The errno of that thread can't be read.
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  eventfd_write: { parameters: ["i32", "u64"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  getaddrinfo: { parameters: ["buffer", "pointer", "buffer", "buffer"], result: "i32", nonblocking: true },
  freeaddrinfo: { parameters: ["usize"], result: "void" },
  gai_strerror: { parameters: ["i32"], result: "usize" },
  memcpy: { parameters: ["buffer", "usize", "usize"], result: "void" },
  strlen: { parameters: ["usize"], result: "usize" },
} as const;

/** The byte order of this machine, as an argument for `DataView`. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A text with a terminating zero. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The open C library. Its owner closes it when no call is under way. */
export class Libc implements Disposable {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;
  readonly #owned: boolean;
  readonly #errnoAddress: bigint;
  readonly #errno = new Int32Array(1);
  readonly #errnoBytes = new Uint8Array(this.#errno.buffer);

  /**
   * `from` is the full path, as permitted, or an open library, which stays its owner's.
   *
   * @throws what `Deno.dlopen` throws.
   */
  constructor(from: string | Libc) {
    this.#owned = typeof from === "string";
    this.#library = typeof from === "string" ? Deno.dlopen(from, SYMBOLS) : from.#library;
    // The address is that of this thread, which runs all calls.
    this.#errnoAddress = this.#library.symbols.__errno_location();
  }

  /** The functions. */
  get call(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] {
    return this.#library.symbols;
  }

  /** The error number of the last failed call; to be read at once. Not for nonblocking calls. */
  get errno(): number {
    this.copy(this.#errnoAddress, this.#errnoBytes);
    return this.#errno[0]!;
  }

  /**
   * Copies memory from `address`, which must come from the C library, to `bytes`. `Deno.UnsafePointerView` would need
   * permission for every library.
   */
  copy(address: bigint, bytes: Uint8Array<ArrayBuffer>): void {
    this.#library.symbols.memcpy(bytes, address, BigInt(bytes.length));
  }

  /** The zero-terminated text at `address`. */
  text(address: bigint): string {
    const bytes = new Uint8Array(Number(this.#library.symbols.strlen(address)));
    this.copy(address, bytes);
    return new TextDecoder().decode(bytes);
  }

  /** Releases the library. No function may be called any more. */
  [Symbol.dispose](): void {
    if (this.#owned) this.#library.close();
  }
}

/**
 * Opens the C library at the first of `paths` that exists and is permitted.
 *
 * @throws {HalfOpenPermissionError} if none of them is permitted, with the flag to add. Never prompts.
 * @throws {HalfOpenUnsupportedError} if there are none for this machine, or none could be opened.
 */
export function openLibc(paths: readonly string[] = libcPaths()): Libc {
  if (paths.length === 0) {
    const { os, arch } = Deno.build;
    const need = "they need Linux on x86_64 or aarch64";
    throw new HalfOpenUnsupportedError(`Cannot make half-open checks on ${os}, ${arch}: ${need}`);
  }
  const permitted = paths.filter((path) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted"
  );
  if (permitted.length === 0) throw new HalfOpenPermissionError(paths);
  let cause: unknown;
  for (const path of permitted) {
    try {
      return new Libc(path);
    } catch (error) {
      cause ??= error;
    }
  }
  const tried = permitted.join(", ");
  throw new HalfOpenUnsupportedError(
    `Cannot make half-open checks: the C library could not be opened at ${tried}`,
    { cause },
  );
}
