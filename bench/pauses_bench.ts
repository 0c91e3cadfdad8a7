// For how long large inputs keep the event loop from everything else: for each input the longest pause between two
// turns of a timer, and how long the work takes as a whole; medians. Each input is measured in a process of its own,
// so that the memory of one is no burden for the next.
// `deno run -A bench/pauses_bench.ts`
import { largeJsonResponse } from "../src/admin/admin_response.ts";
import { renderMetrics } from "../src/admin/metrics/render.ts";
import { ControlPlane } from "../src/app/control/control_plane.ts";
import { ProgramTarget } from "../src/app/admin/program_target.ts";
import { loadCredentials } from "../src/app/credentials/credentials.ts";
import { Reloader } from "../src/app/control/reloader.ts";
import { readLargeBackendList } from "../src/config/large_backend_list.ts";
import { ConfigReading } from "../src/config/reading.ts";
import { silentLog } from "../src/core/log.ts";
import { writeLargeInputs } from "./large_inputs.ts";

/** How often each is measured. */
const ROUNDS = 5;
const [name, folder = Deno.makeTempDirSync()] = Deno.args;
const options = { name: "bench", folder };

/** What is measured, by its name. Each prepares what it needs, and returns the work of one round. */
const INPUTS: Readonly<Record<string, () => Promise<(round: number) => unknown>>> = {
  "a CRL of 200,000 entries, new": () =>
    credentials((round) => ({ ca: "crl-ca.pem", crl: copy("ca.crl", round) })),
  "a CRL of 200,000 entries, not changed": () => credentials(() => ({ ca: "crl-ca.pem", crl: "ca.crl" })),
  "a bundle of 2,000 CAs, new": () => credentials((round) => ({ ca: copy("bundle.pem", round) })),
  "a bundle of 2,000 CAs, not changed": () => credentials(() => ({ ca: "bundle.pem" })),
  "a file of 50,000 backends": () => {
    const text = read("backends.yaml");
    return Promise.resolve(() => readLargeBackendList(text, options));
  },
  "a configuration of 1,000 services with 10,000 backends (YAML)": () => {
    const text = read("services.yaml");
    return Promise.resolve(() => ConfigReading.read(text, options));
  },
  "a configuration of 10,000 backends (JSON)": () => {
    const text = read("backends.json");
    return Promise.resolve(() => ConfigReading.read(text, options));
  },
  "a reload of 10,000 backends": async () => {
    const { controlPlane } = await program();
    const text = read("backends.json");
    return () => change(controlPlane, text);
  },
  "a reload that replaces 10,000 backends": async () => {
    const { controlPlane } = await program();
    const text = read("backends.json");
    // Each round has other addresses.
    return (round) => change(controlPlane, text.replaceAll('"10.', `"${20 + round}.`));
  },
  "GET /metrics with 10,000 backends": async () => {
    const { control } = await program();
    return async () => {
      const [status, { ready }] = await Promise.all([control.status(), control.ready()]);
      return await renderMetrics({ status, ready });
    };
  },
  "GET /api/status with 10,000 backends": async () => {
    const { control } = await program();
    return async () => await largeJsonResponse(200, await control.status());
  },
};

function read(file: string): string {
  return Deno.readTextFileSync(`${folder}/${file}`);
}

/** The same file with another content. */
function copy(file: string, round: number): string {
  const path = `${folder}/${round}-${file}`;
  Deno.writeTextFileSync(path, `${read(file)}\n${round}`);
  return path;
}

/** Reads all that a service with mutual TLS names. What was read first stays in use. */
async function credentials(clientAuth: (round: number) => Record<string, string>) {
  const readings = Array.from({ length: ROUNDS + 1 }, (_, round) => {
    const tls = {
      cert: "server.pem",
      key: "server.key",
      clientAuth: { ...clientAuth(round), allow: [{ any: true }] },
    };
    const service = { name: "s", listen: ["127.0.0.1:0"], upstream: { backends: ["10.0.0.1:1"] }, tls };
    return new ConfigReading(JSON.stringify({ version: 1, services: [service] }), options);
  });
  const inUse = [await loadCredentials(readings[ROUNDS]!, "bench")];
  return async (round: number) => inUse.push(await loadCredentials(readings[round]!, "bench"));
}

/** A program with one service and 10,000 backends, without checks. */
async function program(): Promise<{ controlPlane: ControlPlane; control: ProgramTarget }> {
  const controlPlane = new ControlPlane({ log: silentLog });
  await change(controlPlane, read("backends.json"));
  const reloader = new Reloader({ log: silentLog, reload: () => Promise.resolve() });
  return {
    controlPlane,
    control: new ProgramTarget({
      controlPlane,
      reloader,
      version: "0.0.0",
      folder: "/",
      logLevel: { get: () => "info" as const, set: () => Promise.resolve() },
    }),
  };
}

/** What a reload does, but for reading files. */
async function change(controlPlane: ControlPlane, text: string): Promise<void> {
  using plan = await controlPlane.prepare((await ConfigReading.read(text, options)).config!);
  plan.commit();
}

/** The longest time between two turns of a timer while `work` is done, and how long that takes, in milliseconds. */
async function measure(work: () => unknown): Promise<{ pauseMs: number; totalMs: number }> {
  let [pauseMs, lastMs, isDone] = [0, performance.now(), false];
  const watching = (async () => {
    while (!isDone) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      const nowMs = performance.now();
      pauseMs = Math.max(pauseMs, nowMs - lastMs);
      lastMs = nowMs;
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 5));
  pauseMs = 0;
  const sinceMs = performance.now();
  await work();
  const totalMs = performance.now() - sinceMs;
  await new Promise((resolve) => setTimeout(resolve, 5));
  isDone = true;
  await watching;
  return { pauseMs, totalMs };
}

async function report(name: string): Promise<void> {
  const work = await INPUTS[name]!();
  const rounds: { pauseMs: number; totalMs: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(() => work(round)));
  const median = (of: "pauseMs" | "totalMs") =>
    rounds.map((round) => round[of]).toSorted((a, b) => a - b)[ROUNDS >> 1]!.toFixed(0);
  console.log(`${name}: longest pause ${median("pauseMs")} ms, ${median("totalMs")} ms in all`);
}

async function child(name: string): Promise<void> {
  const args = ["run", "-A", import.meta.filename!, name, folder];
  await new Deno.Command(Deno.execPath(), { args, stdout: "inherit", stderr: "inherit" }).output();
}

if (name === "make") await writeLargeInputs(folder);
else if (name !== undefined) await report(name);
else {
  for (const each of ["make", ...Object.keys(INPUTS)]) await child(each);
  Deno.removeSync(folder, { recursive: true });
}
if (name !== undefined) Deno.exit();
