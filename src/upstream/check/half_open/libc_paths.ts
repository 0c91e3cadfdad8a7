/** The platform for {@linkcode libcPaths}, such as `Deno.build`. */
export interface LibcPlatform {
  /** Such as `linux`. */
  readonly os: string;
  /** Such as `x86_64`. */
  readonly arch: string;
  /** The C library that the runtime was built for, such as `gnu`. */
  readonly env?: string | undefined;
}

const ARCHITECTURES = ["x86_64", "aarch64"];

/**
 * The possible full paths of the C library, the likeliest first: Debian and Ubuntu, then others. Empty if half-open checks
 * are not supported: they need Linux on x86_64 or aarch64. Does not access the file system.
 *
 * Only the kind of C library that the runtime uses: a second one in the same process would do harm.
 *
 * @example
 * ```ts
 * const [path] = libcPaths({ os: "linux", arch: "x86_64", env: "gnu" });
 * console.log(`--allow-ffi=${path}`); // --allow-ffi=/lib/x86_64-linux-gnu/libc.so.6
 * ```
 */
export function libcPaths(platform: LibcPlatform = Deno.build): readonly string[] {
  const { os, arch, env } = platform;
  if (os !== "linux" || !ARCHITECTURES.includes(arch)) return [];
  if (env === "musl") return [`/lib/ld-musl-${arch}.so.1`];
  return [`/lib/${arch}-linux-gnu/libc.so.6`, "/lib64/libc.so.6"];
}
