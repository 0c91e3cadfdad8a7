/**
 * What viewers of the live page cost: the processor time of a program with 1,000 backends and 100 new connections a
 * second, without viewers and with 20, in turn; then with 20 that look at the table of 2,000 open connections.
 *
 * Usage: `deno run -A bench/live_page.ts [--viewers N] [--backends N] [--seconds N]`
 */
import { parseArgs } from "@std/cli/parse-args";
import { connect } from "../tests/support/peers.ts";
import { startCulvert } from "../tests/support/program.ts";
import { proxyConfig } from "../tests/support/proxy_config.ts";

const options = parseArgs(Deno.args, {
  string: ["viewers", "backends", "seconds"],
  default: { viewers: "20", backends: "1000", seconds: "10" },
});
const [viewers, backends, seconds] = [options.viewers, options.backends, options.seconds].map(Number) as [
  number,
  number,
  number,
];
const ROUNDS = 3;
const PER_SECOND = 100;
const CONNECTIONS = 2000;
/** Of Linux, where a second has 100 ticks. */
const TICKS = 100;

/** The processor time that a process has used, in seconds. */
async function usedBy(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Opens and closes connections, evenly, until it is stopped. */
function traffic(port: number): () => Promise<void> {
  let running = true;
  const work = (async () => {
    while (running) {
      connect(port).then((client) => client.close(), () => {});
      await wait(1000 / PER_SECOND);
    }
  })();
  return () => {
    running = false;
    return work;
  };
}

/** Reads live events, until it is stopped. Resolves to the number of bytes. */
function view(url: string): () => Promise<number> {
  const abort = new AbortController();
  const work = (async () => {
    let bytes = 0;
    try {
      const response = await fetch(url, { signal: abort.signal });
      for await (const chunk of response.body!) bytes += chunk.length;
    } catch {
      // It was stopped.
    }
    return bytes;
  })();
  return () => {
    abort.abort();
    return work;
  };
}

/** Asks for the table of connections as the page does, until it is stopped. */
function readTable(base: string): () => Promise<void> {
  let running = true;
  const work = (async () => {
    while (running) {
      const answer = await fetch(`${base}/api/connections?search=&order=age&descending=false`);
      await answer.arrayBuffer();
      await wait(2000);
    }
  })();
  return () => {
    running = false;
    return work;
  };
}

/** The share of a core that the program uses in a while. */
async function share(pid: number): Promise<number> {
  const before = await usedBy(pid);
  const sinceMs = performance.now();
  await wait(seconds * 1000);
  return (await usedBy(pid) - before) * 1000 / (performance.now() - sinceMs);
}

const percent = (value: number) => `${(value * 100).toFixed(2)} %`;

using backend = Deno.listen({ hostname: "0.0.0.0", port: 0 });
/** While it is set, connections stay open. */
let holding = false;
const held: Deno.Conn[] = [];
void (async () => {
  for await (const connection of backend) {
    if (holding) held.push(connection);
    else connection.close();
  }
})();
const addresses = Array.from(
  { length: backends },
  (_, index) => `127.0.${1 + (index >> 8)}.${index & 255}:${backend.addr.port}`,
);
const head = 'version: 1\nlog: {format: json, access: false}\nadmin: {listen: "127.0.0.1:0"}\n';
await using culvert = await startCulvert(proxyConfig({ backends: addresses, head }));
const base = `http://${culvert.found({ message: "admin API" }).at(-1)!.listener}`;
const { pid } = await (await fetch(`${base}/api/status`)).json();
const url = `${base}/api/live`;
const stopTraffic = traffic(culvert.port("main"));
await wait(3000);
console.log(`${backends} backends, ${PER_SECOND} connections a second, ${viewers} viewers`);
for (let round = 0; round < ROUNDS; round++) {
  const without = await share(pid);
  const stops = Array.from({ length: viewers }, () => view(url));
  await wait(2000);
  const withViewers = await share(pid);
  const bytes = await Promise.all(stops.map((stop) => stop()));
  const each = bytes.reduce((sum, count) => sum + count, 0) / viewers / 1000;
  console.log(
    `of a core: ${percent(without)} without, ${percent(withViewers)} with viewers: ` +
      `${percent(withViewers - without)} for ${viewers}; ${each.toFixed(0)} kB each`,
  );
  await wait(1500);
}
await stopTraffic();
holding = true;
for (let i = 0; i < CONNECTIONS; i++) held.push(await connect(culvert.port("main")));
const before = await share(pid);
const tables = Array.from({ length: viewers }, () => readTable(base));
const withTables = await share(pid);
console.log(
  `of a core: ${percent(before)} with ${CONNECTIONS} open connections, ` +
    `${percent(withTables)} with ${viewers} tables of them`,
);
await Promise.all(tables.map((stop) => stop()));
for (const connection of held) connection.close();
backend.close();
