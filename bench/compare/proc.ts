/** What the kernel tells about a program and its children, from /proc. */
export interface Usage {
  /** User and system time together, in seconds. */
  cpuSeconds: number;
  residentKiB: number;
}

/** The kernel reports processor time in these, whatever its own tick is (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = 100;
const SETTLED_MS = 2_000;
const SETTLE_LIMIT_MS = 20_000;

/** The usage of a program and all its descendants together: nginx works in a child of its master. */
export function usageOf(pid: number): Usage {
  const usage: Usage = { cpuSeconds: 0, residentKiB: 0 };
  for (const member of family(pid)) {
    const fields = statFields(member);
    usage.cpuSeconds += (Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)) / TICKS_PER_SECOND;
    usage.residentKiB += residentKiB(member);
  }
  return usage;
}

/** The resident memory once it has stayed within 1 % for two seconds; what it is after 20 s otherwise. */
export async function settledResidentKiB(pid: number, signal: AbortSignal): Promise<number> {
  const limit = performance.now() + SETTLE_LIMIT_MS;
  let reference = usageOf(pid).residentKiB;
  let since = performance.now();
  while (performance.now() - since < SETTLED_MS && performance.now() < limit) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = usageOf(pid).residentKiB;
    if (Math.abs(now - reference) <= reference / 100) continue;
    reference = now;
    since = performance.now();
  }
  return usageOf(pid).residentKiB;
}

/** How many files a program may open here, when it raises its own limit as far as it is allowed. */
export function openFilesLimit(): number {
  const line = /^Max open files\s+\d+\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
  return line === null ? 1024 : Number(line[1]);
}

function family(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of Deno.readDirSync("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(pid)?.[1] ?? 0);
    children.set(parent, [...children.get(parent) ?? [], pid]);
  }
  const members = [root];
  // The list grows while it is walked, so children of children are reached too.
  for (const pid of members) members.push(...children.get(pid) ?? []);
  return members;
}

/** The fields of /proc/PID/stat after the name, which may itself hold spaces: state, parent and so on. */
function statFields(pid: number): string[] | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`);
  return text === "" ? undefined : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** A process may end between being listed and being read. */
function readOrEmpty(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
