const LISTENING = "0A";

/**
 * What a process has open, as /proc tells. Without the runtime's own caches of compiled code, which it opens and
 * closes as it likes.
 */
export function descriptorLinks(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const links: string[] = [];
  for (const { name } of Deno.readDirSync(folder)) {
    try {
      links.push(Deno.readLinkSync(`${folder}/${name}`));
    } catch {
      // Closed since.
    }
  }
  return links.filter((link) => !link.includes("_cache_v"));
}

/** How many TCP connections a process has open, listeners not counted. */
export function connectionCount(pid: number): number {
  const own = new Set(descriptorLinks(pid).map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  return ["tcp", "tcp6"].flatMap((table) => connectionInodes(pid, table)).filter((inode) => own.has(inode))
    .length;
}

/** The resident memory of a process. */
export function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}

function connectionInodes(pid: number, table: string): string[] {
  const [, ...rows] = Deno.readTextFileSync(`/proc/${pid}/net/${table}`).trim().split("\n");
  const fields = rows.map((row) => row.trim().split(/\s+/));
  return fields.filter(([, , , state]) => state !== LISTENING).map((row) => row[9] ?? "");
}
