import { Libc, openLibc } from "./libc.ts";
import { libcPaths } from "./libc_paths.ts";

const opened = new WeakMap<HeldLibc, Libc>();

/**
 * The C library, opened once for the life of a program, which then gives up the permission to open any (`ffi`). The
 * functions that half-open checks call go on working; no others can be reached from then on, by a bug or by a
 * dependency that has been tampered with. The library is never closed.
 *
 * @example Not run as a test: it would take the permission from all the others
 * ```ts ignore
 * import { HalfOpenChecker, HeldLibc } from "@culvert/culvert";
 *
 * const library = new HeldLibc();
 * library.open();
 * await using checker = new HalfOpenChecker({ library });
 * checker.start();
 * ```
 */
export class HeldLibc {
  /** Whether it is open. */
  get isOpen(): boolean {
    return opened.has(this);
  }

  /**
   * Opens the library if that is permitted and it is not open yet, and gives up the permission. Where it can't be
   * opened nothing happens: a checker says so when it is started. Nobody is asked for the permission, also at a
   * terminal.
   */
  open(): void {
    if (this.isOpen || !libcPaths().some(isPermitted)) return;
    try {
      opened.set(this, openLibc());
    } catch {
      return;
    }
    Deno.permissions.revokeSync({ name: "ffi" });
  }
}

/** The library for one checker, which may dispose of it; `undefined` where it is not open. */
export function borrowLibc(held: HeldLibc | undefined): Libc | undefined {
  const libc = held && opened.get(held);
  return libc && new Libc(libc);
}

function isPermitted(path: string): boolean {
  return Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
}
