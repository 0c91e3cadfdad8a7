import { Libc, openLibc } from "./libc.ts";
import { libcPaths } from "./libc_paths.ts";

const opened = new WeakMap<HeldLibc, Libc>();

/**
 * The C library, opened once for the life of the program, which then revokes its permission to open any (`ffi`). Half-open
 * checks keep working; a bug or a compromised dependency can't call other native functions from then on. The library is
 * never closed.
 *
 * @example Not run as a test, as it would revoke the permission of all tests
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
   * Opens the library if that is permitted and it is not open yet, and revokes the permission. If it can't be opened,
   * nothing happens: the checker fails when it is started. Never prompts.
   */
  open(): void {
    const isPermitted = (path: string) =>
      Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
    if (this.isOpen || !libcPaths().some(isPermitted)) return;
    try {
      opened.set(this, openLibc());
    } catch {
      return;
    }
    Deno.permissions.revokeSync({ name: "ffi" });
  }
}

/** The library for one checker, which may dispose of it; `undefined`: it is not open. */
export function borrowLibc(held: HeldLibc | undefined): Libc | undefined {
  const libc = held && opened.get(held);
  return libc && new Libc(libc);
}
