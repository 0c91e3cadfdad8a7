/** How each program tells its version. */
const VERSION_FLAGS: Record<string, string> = {
  haproxy: "-v",
  nginx: "-v",
  wrk: "-v",
  iperf3: "--version",
  taskset: "--version",
  openssl: "version",
};

/** The version of a program that the comparison uses; `undefined` where it is not installed. */
export async function versionOf(program: string): Promise<string | undefined> {
  const output = await outputOf(program, [VERSION_FLAGS[program] ?? "--version"]);
  if (output === undefined) return undefined;
  // wrk, as Debian builds it, says "debian/4.1.0-3+b2".
  return /\d+\.\d+[\w.+-]*/.exec(output)?.[0] ?? "(unknown)";
}

/** The TLS library that HAProxy or nginx runs with, as in "OpenSSL 3.0.19". */
export async function tlsLibraryOf(program: "haproxy" | "nginx"): Promise<string> {
  const output = await outputOf(program, [program === "haproxy" ? "-vv" : "-V"]) ?? "";
  const found = /Running on \w+ version : (\w+ [\w.+-]+)/.exec(output) ??
    /running with (\w+ [\w.+-]+)/.exec(output) ?? /built with (\w+ [\w.+-]+) +\d+ \w+ \d{4}/.exec(output);
  return found?.[1] ?? "an unknown TLS library";
}

/** What a program writes on both streams, whatever its exit code; `undefined` where it is not installed. */
export async function outputOf(program: string, args: string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await new Deno.Command(program, { args }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
