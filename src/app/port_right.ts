const CAP_NET_BIND_SERVICE = 1n << 10n;
/** The kernel tells of itself only to a program that may do everything. */
const EVERYTHING = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

/**
 * Whether this program may listen on a port, by its capabilities and the first unprivileged port of the system;
 * `undefined` where the permissions of the program do not let it know.
 */
export function mayListenOn(port: number): boolean | undefined {
  if (port === 0 || Deno.build.os !== "linux") return true;
  if (EVERYTHING.some((name) => Deno.permissions.querySync({ name }).state !== "granted")) return undefined;
  try {
    const first = Number(Deno.readTextFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start"));
    if (port >= first) return true;
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
    return effective === undefined ? undefined : (BigInt(`0x${effective}`) & CAP_NET_BIND_SERVICE) !== 0n;
  } catch {
    return undefined;
  }
}
