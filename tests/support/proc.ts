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

/**
 * The bytes that the kernel holds for the TCP connections at these ports: sent and not yet acknowledged, or received
 * and not yet read. What senders could get rid of beyond that is held by programs. Ask when nothing moves any more.
 */
export function queuedBytes(ports: readonly number[]): number {
  const wanted = new Set(ports);
  let sum = 0;
  for (const table of ["tcp", "tcp6"]) {
    const [, ...rows] = Deno.readTextFileSync(`/proc/self/net/${table}`).trim().split("\n");
    for (const row of rows) {
      const [, local, remote, state, queues] = row.trim().split(/\s+/) as string[];
      if (state === LISTENING || ![local, remote].some((end) => wanted.has(hexPort(end!)))) continue;
      for (const queue of queues!.split(":")) sum += parseInt(queue, 16);
    }
  }
  return sum;
}

function hexPort(end: string): number {
  return parseInt(end.split(":")[1]!, 16);
}

function connectionInodes(pid: number, table: string): string[] {
  const [, ...rows] = Deno.readTextFileSync(`/proc/${pid}/net/${table}`).trim().split("\n");
  const fields = rows.map((row) => row.trim().split(/\s+/));
  return fields.filter(([, , , state]) => state !== LISTENING).map((row) => row[9] ?? "");
}
