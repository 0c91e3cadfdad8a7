/** Where a run took place. */
export interface Machine {
  cpu: string;
  cores: number;
  kernel: string;
}

/** Reads the processor's model, the number of its cores and the kernel's release. */
export function describeMachine(): Machine {
  const info = Deno.readTextFileSync("/proc/cpuinfo");
  return {
    // Not every architecture names its model there.
    cpu: /^model name\s*:\s*(.+)$/m.exec(info)?.[1]?.trim() ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    kernel: `Linux ${Deno.osRelease()}`,
  };
}
