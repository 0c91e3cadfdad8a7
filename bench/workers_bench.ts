/**
 * What workers cost, for 1, 2 and 4 of them and for HAProxy with as many threads: processor time per new connection and
 * per GiB, resident memory, and how evenly the kernel spreads 1,000 connections (the busiest worker over the mean). Run
 * it with `taskset -c 0 deno run -A bench/workers_bench.ts [rounds]`; the proxies are pinned to core 1, so that the same
 * work is compared, not the number of cores.
 */
const MAIN = new URL("../main.ts", import.meta.url).pathname;
const CONNECTIONS = 1500;
const PARALLEL = 64;
const OPEN = 1000;
const BULK_BYTES = 512 * 1024 * 1024;
/** `USER_HZ`: how long a tick of /proc/PID/stat takes, in milliseconds. */
const TICK_MS = 10;

interface Run {
  readonly connectUs: number;
  readonly gibMs: number;
  readonly residentMib: number;
  /** Culvert alone. */
  readonly spread?: number;
}

interface Proxy {
  readonly name: string;
  command(port: number, backendPort: number): { args: readonly string[]; input: string };
}

function culvert(workers: number): Proxy {
  return {
    name: `Culvert, workers: ${workers}`,
    command: (port, backendPort) => ({
      args: [Deno.execPath(), "run", "--allow-net", "--allow-read", MAIN, "--config", "-"],
      input: `version: 1
workers: ${workers}
log: { access: false }
admin: { listen: "127.0.0.1:${port + 1}" }
services: [{ name: a, listen: ["127.0.0.1:${port}"], upstream: { backends: [{ address: "127.0.0.1:${backendPort}" }] } }]`,
    }),
  };
}

function haproxy(threads: number): Proxy {
  return {
    name: `HAProxy, nbthread ${threads}`,
    command: (port, backendPort) => ({
      args: ["haproxy", "-db", "-f", "/dev/stdin"],
      input: `global
  nbthread ${threads}
  maxconn 4000
defaults
  mode tcp
  timeout connect 10s
  timeout client 90s
  timeout server 90s
listen a
  bind 127.0.0.1:${port}
  server b 127.0.0.1:${backendPort}
`,
    }),
  };
}

async function echo(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) {
    connection.readable.pipeTo(connection.writable).catch(() => {});
  }
}

async function exchange(connection: Deno.Conn): Promise<void> {
  const bytes = new Uint8Array(64);
  await connection.write(bytes);
  await connection.read(bytes);
}

async function load(port: number, count: number): Promise<void> {
  let left = count;
  const work = async () => {
    while (left-- > 0) {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await exchange(connection);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
}

/** Sends bytes over four connections, and reads them back. */
async function bulk(port: number): Promise<void> {
  await Promise.all(Array.from({ length: 4 }, async () => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const [out, back] = [new Uint8Array(64 * 1024), new Uint8Array(256 * 1024)];
    const total = BULK_BYTES / 8;
    const send = async () => {
      for (let sent = 0; sent < total;) sent += await connection.write(out);
    };
    const receive = async () => {
      for (let received = 0; received < total;) received += await connection.read(back) ?? total;
    };
    await Promise.all([send(), receive()]);
  }));
}

function cpuMs(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

/** The connections of the busiest worker over the mean, of so many that are open. */
async function spreadOf(port: number): Promise<number> {
  const open = await Promise.all(
    Array.from({ length: OPEN }, () => Deno.connect({ hostname: "127.0.0.1", port })),
  );
  for (const connection of open) await exchange(connection);
  await new Promise((go) => setTimeout(go, 2500)); // Workers tell of themselves each second.
  const response = await fetch(`http://127.0.0.1:${port + 1}/api/status`);
  const { workers = [] } = await response.json() as { workers?: { connections: number }[] };
  for (const connection of open) connection.close();
  return Math.max(...workers.map(({ connections }) => connections)) * workers.length / OPEN;
}

async function measure(proxy: Proxy, backendPort: number): Promise<Run> {
  const port = 12_000 + 2 * Math.trunc(Math.random() * 9_000);
  const { args, input } = proxy.command(port, backendPort);
  const own = { stdin: "piped", stdout: "null", stderr: "null" } as const;
  const options = { args: ["-c", "1", ...args], ...own };
  const child = new Deno.Command("taskset", options).spawn();
  await new Blob([input]).stream().pipeTo(child.stdin);
  while (!await load(port, 1).then(() => true, () => false)) await new Promise((go) => setTimeout(go, 50));
  await load(port, 4 * CONNECTIONS); // Each worker compiles its own code.
  const before = cpuMs(child.pid);
  await load(port, CONNECTIONS);
  const [afterConnect, resident] = [cpuMs(child.pid), residentMib(child.pid)];
  await bulk(port);
  const run = {
    connectUs: (afterConnect - before) * 1000 / CONNECTIONS,
    gibMs: (cpuMs(child.pid) - afterConnect) * (1024 ** 3 / BULK_BYTES),
    residentMib: resident,
    ...(/workers: [2-9]/.test(proxy.name) ? { spread: await spreadOf(port) } : {}),
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
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void echo(listener).catch(() => {});
  const proxies = [1, 2, 4].flatMap((count) => [culvert(count), haproxy(count)]);
  const runs = new Map(proxies.map((proxy) => [proxy, [] as Run[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [proxy, list] of runs) list.push(await measure(proxy, listener.addr.port));
  }
  for (const [{ name }, list] of runs) {
    const of = (read: (run: Run) => number) => median(list.map(read));
    const spread = list[0]!.spread === undefined ? "" : `, spread ${of((run) => run.spread!).toFixed(2)}`;
    console.log(
      `${name}: ${of((run) => run.connectUs).toFixed(0)} µs per connection, ` +
        `${(of((run) => run.gibMs) / 1000).toFixed(2)} s per GiB, ` +
        `${of((run) => run.residentMib).toFixed(0)} MiB${spread}`,
    );
  }
  Deno.exit(0);
}
