/**
 * Compares Culvert with HAProxy and nginx on this machine: `deno run -A bench/compare.ts --help`.
 *
 * See bench/README.md for what is measured and how.
 */
import {
  type Bench,
  LOAD_CORE,
  type Measurement,
  type Mode,
  type Proxy,
  PROXY_CORE,
} from "./compare/types.ts";
import { bulk } from "./compare/bulk.ts";
import { busy } from "./compare/busy.ts";
import { connections } from "./compare/connections.ts";
import { describeMachine } from "./compare/machine.ts";
import { exchanges } from "./compare/exchanges.ts";
import { figuresTable, targetsTable } from "./compare/table.ts";
import { findProxies } from "./compare/proxies.ts";
import { idle, TUNNELS } from "./compare/idle.ts";
import { judge } from "./compare/targets.ts";
import { measureRounds, type RoundsResult } from "./compare/rounds.ts";
import { openFilesLimit } from "./compare/proc.ts";
import { type Options, parseOptions, USAGE } from "./compare/options.ts";
import { outputOf, versionOf } from "./compare/tools.ts";
import { REFERENCE, Summary } from "./compare/summary.ts";
import { http } from "./compare/http.ts";
import { httpLarge } from "./compare/http_large.ts";
import { httpLog } from "./compare/http_log.ts";
import { tlsMeasurements } from "./compare/tls_measurements.ts";
import { writeCertificates } from "./compare/certificates.ts";

const MEASUREMENTS: readonly Measurement[] = [
  bulk,
  exchanges,
  busy,
  connections,
  idle("plain"),
  ...http,
  httpLog,
  ...httpLarge,
  idle("http"),
  ...tlsMeasurements("tls"),
  ...tlsMeasurements("mtls"),
];
/** Each has a table of its own. */
const TITLES: Record<Mode, string> = {
  plain: "Plain TCP:",
  http: "HTTP, with an access log:",
  tls: "TLS from the client, without client certificates:",
  mtls: "Mutual TLS from the client:",
};
const MAX_CONNECTIONS = 8_000;
/** Files that a proxy has open besides its tunnels. */
const SPARE_FILES = 200;

async function main(args: readonly string[]): Promise<number> {
  const names = MEASUREMENTS.map(({ name }) => name);
  const culvert = new URL("../main.ts", import.meta.url).pathname;
  const options = parseOptions(args, { measurements: names, culvert });
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  await takePlace();
  const proxies = await presentProxies(options);
  const versions = await toolVersions();
  const measurements = possibleMeasurements(options, versions);
  if (measurements.length === 0) throw new Error("Nothing is left to measure");
  const directory = await Deno.makeTempDir({ prefix: "compare-" });
  try {
    await writeCertificates(directory);
    const bench: Bench = {
      signal: interruption(),
      seconds: options.seconds,
      directory,
      maxConnections: connectionLimit(),
    };
    const result = await measureRounds({ ...options, proxies, measurements, report }, bench);
    await present(result, { options, proxies, measurements, versions });
    return result.failures.length === 0 ? 0 : 1;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Leaves the proxy's core to the proxy: this program goes where the load is made. */
async function takePlace(): Promise<void> {
  if (navigator.hardwareConcurrency <= Math.max(LOAD_CORE, PROXY_CORE)) {
    throw new Error("Cannot compare on one core: the load generator needs one of its own");
  }
  const output = await outputOf("taskset", [
    "--all-tasks",
    "--cpu-list",
    "--pid",
    String(LOAD_CORE),
    `${Deno.pid}`,
  ]);
  if (output === undefined) throw new Error("Cannot pin programs to cores: install taskset (util-linux)");
}

async function presentProxies({ proxies, culvert, v8Flags }: Options): Promise<Proxy[]> {
  const present: Proxy[] = [];
  for (const candidate of await findProxies(proxies, { main: culvert, v8Flags })) {
    if ("start" in candidate) {
      present.push(candidate);
    } else if (candidate.name === REFERENCE) {
      throw new Error("Cannot compare without HAProxy: install it (Debian: apt install haproxy)");
    } else {
      report(`SKIPPED ${candidate.name}: ${candidate.missing}`);
    }
  }
  return present;
}

async function toolVersions(): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (const tool of new Set(MEASUREMENTS.flatMap(({ tools }) => tools))) {
    const version = await versionOf(tool);
    if (version !== undefined) versions.set(tool, version);
  }
  return versions;
}

function possibleMeasurements(options: Options, versions: ReadonlyMap<string, string>): Measurement[] {
  return MEASUREMENTS.filter(({ name }) => options.measurements.includes(name)).filter(({ name, tools }) => {
    const missing = tools.filter((tool) => !versions.has(tool));
    if (missing.length > 0) report(`SKIPPED ${name}: ${missing.join(" and ")} not installed`);
    return missing.length === 0;
  });
}

/** Two files for each connection, within what this machine lets one program open. */
function connectionLimit(): number {
  const limit = Math.min(MAX_CONNECTIONS, Math.floor((openFilesLimit() - SPARE_FILES) / 2));
  if (limit < TUNNELS + 100) throw new Error(`Cannot hold ${TUNNELS} tunnels: raise the limit (ulimit -Hn)`);
  return limit;
}

/** Fires on SIGINT and SIGTERM, so that no program is left behind. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Error("Interrupted"));
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  return controller.signal;
}

interface Setting {
  options: Options;
  proxies: readonly Proxy[];
  measurements: readonly Measurement[];
  versions: ReadonlyMap<string, string>;
}

async function present({ samples, failures }: RoundsResult, setting: Setting): Promise<void> {
  const { options, proxies, measurements, versions } = setting;
  const machine = describeMachine();
  const summary = new Summary(samples);
  const verdicts = judge(summary);
  const programs = proxies
    .filter(({ modes }) => measurements.some(({ mode }) => modes.includes(mode)))
    .map(({ label, version }) => `${label} ${version}`);
  const tools = [...versions].map(([name, version]) => `${name} ${version}`);
  console.log(
    `\nMedians of ${options.rounds} round(s) (${options.seconds} s for each timed part); in brackets the least
and the greatest ratio of a single round. ${machine.cpu}, ${machine.cores} cores, ${machine.kernel}
with ${machine.congestionControl}.
${programs.join(", ")}; load from ${tools.join(", ")}.\n`,
  );
  for (const mode of ["plain", "http", "tls", "mtls"] as const) {
    const ofMode = measurements.filter((measurement) => measurement.mode === mode);
    if (ofMode.length === 0) continue;
    const taking = proxies.filter(({ modes }) => modes.includes(mode));
    console.log(`${TITLES[mode]}\n\n${figuresTable(summary, taking, ofMode)}\n`);
  }
  if (proxies.some(({ name }) => name.startsWith("culvert"))) console.log(targetsTable(verdicts));
  for (const { name, label } of proxies) {
    const errors = summary.errors(name);
    if (errors > 0) console.log(`\n${label}: wrk counted ${errors} broken connections.`);
  }
  for (const failure of failures) console.log(`\n${failure}`);
  if (options.json === undefined) return;
  const record = {
    date: new Date().toISOString(),
    machine,
    programs,
    tools,
    options,
    verdicts,
    samples,
    failures,
  };
  await Deno.writeTextFile(options.json, JSON.stringify(record, null, 2) + "\n");
}

/** What happens meanwhile goes to standard error, so that standard output is the table alone. */
function report(line: string): void {
  console.error(line);
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(error instanceof RangeError ? 64 : 1);
}
