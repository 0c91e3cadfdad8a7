/**
 * What V8 flags change for Culvert: processor time per new connection and resident memory after a load of them. Run it
 * with `taskset -c 0 deno run -A bench/v8_flags_bench.ts [rounds]`; Culvert is pinned to core 1.
 */
const MAIN = new URL("../main.ts", import.meta.url).pathname;
const FLAGS: readonly string[] = [
  "",
  "--optimize-for-size",
  "--min-semi-space-size=32,--max-semi-space-size=32",
  "--optimize-for-size,--min-semi-space-size=32,--max-semi-space-size=32",
];
const CONNECTIONS = 1500;
const PARALLEL = 64;
/** `USER_HZ`: how long a tick of /proc/PID/stat takes, in milliseconds. */
const TICK_MS = 10;

interface Run {
  readonly cpuUs: number;
  readonly residentMib: number;
}

async function echo(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) {
    connection.readable.pipeTo(connection.writable).catch(() => {});
  }
}

async function exchange(port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new Uint8Array(64);
  await connection.write(bytes);
  await connection.read(bytes);
}

async function load(port: number, count: number): Promise<void> {
  let left = count;
  const work = async () => {
    while (left-- > 0) await exchange(port);
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
}

function cpuMs(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

async function measure(flags: string, backendPort: number): Promise<Run> {
  const port = 12_000 + Math.trunc(Math.random() * 18_000);
  const config = `version: 1
services: [{ name: a, listen: ["127.0.0.1:${port}"], upstream: { backends: [{ address: "127.0.0.1:${backendPort}" }] } }]`;
  const v8 = flags === "" ? [] : [`--v8-flags=${flags}`];
  const args = ["-c", "1", Deno.execPath(), "run", ...v8, "--allow-net", MAIN, "--config", "-"];
  const options = { args, stdin: "piped", stdout: "null", stderr: "null" } as const;
  const child = new Deno.Command("taskset", options).spawn();
  await new Blob([config]).stream().pipeTo(child.stdin);
  while (!await exchange(port).then(() => true, () => false)) await new Promise((go) => setTimeout(go, 50));
  await load(port, CONNECTIONS);
  const before = cpuMs(child.pid);
  await load(port, CONNECTIONS);
  const run = {
    cpuUs: (cpuMs(child.pid) - before) * 1000 / CONNECTIONS,
    residentMib: residentMib(child.pid),
  };
  child.kill("SIGKILL");
  await child.status;
  return run;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

if (import.meta.main) {
  const rounds = Number(Deno.args[0] ?? 3);
  using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void echo(backend);
  const runs = new Map<string, Run[]>(FLAGS.map((flags) => [flags, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [flags, list] of runs) list.push(await measure(flags, backend.addr.port));
  }
  for (const [flags, list] of runs) {
    const cpu = median(list.map(({ cpuUs }) => cpuUs)).toFixed(0);
    const memory = median(list.map((run) => run.residentMib)).toFixed(0);
    console.log(
      `${flags === "" ? "no flags" : flags}: ${cpu} µs per connection, ${memory} MiB after the load`,
    );
  }
  Deno.exit(0);
}
