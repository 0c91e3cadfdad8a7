/** Where a run took place. */
export interface Machine {
  cpu: string;
  cores: number;
  kernel: string;
  /** TCP's congestion control, which paces single streams on loopback too. */
  congestionControl: string;
}

/** Reads what it is made of from the system. */
export function describeMachine(): Machine {
  const info = Deno.readTextFileSync("/proc/cpuinfo");
  return {
    // Not every architecture names its model there.
    cpu: /^model name\s*:\s*(.+)$/m.exec(info)?.[1]?.trim() ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    kernel: `Linux ${Deno.osRelease()}`,
    congestionControl: Deno.readTextFileSync("/proc/sys/net/ipv4/tcp_congestion_control").trim(),
  };
}
