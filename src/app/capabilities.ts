const CAP_DAC_OVERRIDE = 1n << 1n;
const CAP_NET_BIND_SERVICE = 1n << 10n;
/** The kernel tells of itself only to a program that may do everything. */
const EVERYTHING = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

/**
 * Whether this program may listen on a port, by its capabilities and the first unprivileged port of the system;
 * `undefined` where the permissions of the program do not let it know.
 */
export function mayListenOn(port: number): boolean | undefined {
  if (port === 0 || Deno.build.os !== "linux") return true;
  try {
    if (!mayReadProc()) return undefined;
    const first = Number(Deno.readTextFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start"));
    return port >= first ? true : hasCapability(CAP_NET_BIND_SERVICE);
  } catch {
    return undefined;
  }
}

/** Whether this program may write to files whatever their mode says; `undefined` as for {@linkcode mayListenOn}. */
export function mayIgnoreModes(): boolean | undefined {
  return Deno.build.os === "linux" && mayReadProc() ? hasCapability(CAP_DAC_OVERRIDE) : undefined;
}

function mayReadProc(): boolean {
  return EVERYTHING.every((name) => Deno.permissions.querySync({ name }).state === "granted");
}

function hasCapability(capability: bigint): boolean | undefined {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
    return effective === undefined ? undefined : (BigInt(`0x${effective}`) & capability) !== 0n;
  } catch {
    return undefined;
  }
}
