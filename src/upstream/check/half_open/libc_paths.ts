/** What {@linkcode libcPaths} looks at; `Deno.build` has it all. */
export interface LibcPlatform {
  /** Such as `linux`. */
  readonly os: string;
  /** Such as `x86_64`. */
  readonly arch: string;
  /** Which C library the runtime itself was built for, such as `gnu`. */
  readonly env?: string | undefined;
}

const ARCHITECTURES = ["x86_64", "aarch64"];

/**
 * Where the C library may be, by its full path, the likeliest first: Debian and Ubuntu, then the others. Empty where
 * half-open checks can't be made: they need Linux, on x86_64 or aarch64. Looks at nothing on the disk.
 *
 * The runtime's own kind of C library is the only one named: a second one in the same process would do harm.
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
