import { HalfOpenPermissionError, HalfOpenUnsupportedError } from "./errors.ts";
import { libcPaths } from "./libc_paths.ts";

/** The functions of the C library that half-open checks take. `size_t` and `socklen_t` as on 64-bit Linux. */
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
  // On a thread of its own, as it waits. That thread's errno is out of reach.
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

/** The byte order of this machine, as `DataView` wants it: true for little-endian. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A text as C has it: its bytes and a zero. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The C library, opened. Whoever has opened it closes it, once no call of it is under way. */
export class Libc implements Disposable {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;
  readonly #owned: boolean;
  readonly #errnoAddress: bigint;
  readonly #errno = new Int32Array(1);
  readonly #errnoBytes = new Uint8Array(this.#errno.buffer);

  /**
   * `from` is the full path, as it is permitted, or a library that is open and that somebody else closes.
   *
   * @throws what `Deno.dlopen` throws.
   */
  constructor(from: string | Libc) {
    this.#owned = typeof from === "string";
    this.#library = typeof from === "string" ? Deno.dlopen(from, SYMBOLS) : from.#library;
    // It belongs to the thread, and the thread that runs this never changes.
    this.#errnoAddress = this.#library.symbols.__errno_location();
  }

  /** The functions. */
  get call(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] {
    return this.#library.symbols;
  }

  /** What the last call that failed has left; to be read at once. Not for calls that wait on another thread. */
  get errno(): number {
    this.copy(this.#errnoAddress, this.#errnoBytes);
    return this.#errno[0]!;
  }

  /**
   * Fills `bytes` with what is in memory from `address` on, which must be the C library's word. The runtime's own means
   * (`Deno.UnsafePointerView`) would need permission for every library there is.
   */
  copy(address: bigint, bytes: Uint8Array<ArrayBuffer>): void {
    this.#library.symbols.memcpy(bytes, address, BigInt(bytes.length));
  }

  /** The text that ends with a zero, in memory from `address` on. */
  text(address: bigint): string {
    const bytes = new Uint8Array(Number(this.#library.symbols.strlen(address)));
    this.copy(address, bytes);
    return new TextDecoder().decode(bytes);
  }

  /** Lets go of the library. No function may be called any more. */
  [Symbol.dispose](): void {
    if (this.#owned) this.#library.close();
  }
}

/**
 * Opens the C library, at the first of `paths` that is permitted and there.
 *
 * @throws {HalfOpenPermissionError} if none of them is permitted, with the flag to add. The runtime is not asked for
 * it, even at a terminal: this may be called at any time.
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
