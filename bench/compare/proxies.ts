import { type Bench, type Mode, type Proxy, PROXY_CORE } from "./types.ts";
import { denoProgram } from "./deno_program.ts";
import { culvertConfig, haproxyConfig, nginxConfig } from "./proxy_configs.ts";
import { haproxyMap, haproxyMapFile } from "./http_configs.ts";
import { nginxModules } from "./nginx.ts";
import { startServer } from "./server.ts";
import { tlsLibraryOf, versionOf } from "./tools.ts";

/** A proxy that can be measured here, or the reason why it cannot. */
export type Candidate = Proxy | { name: string; missing: string };

/** The names that `--proxies` takes, in the order of the table. */
export const PROXY_NAMES = ["culvert", "culvert-native", "bare-loop", "haproxy", "nginx"] as const;

const ALL_MODES: readonly Mode[] = ["plain", "http", "tls", "mtls"];

/** How Culvert is run. */
export interface CulvertProgram {
  /** The path of its `main.ts`. */
  readonly main: string;
  /** V8 flags, separated by commas. */
  readonly v8Flags: string | undefined;
}

/** Finds the proxies that were asked for. */
export function findProxies(names: readonly string[], program: CulvertProgram): Promise<Candidate[]> {
  return Promise.all(names.map((name) => {
    if (name === "culvert") return culvert(program, { native: false });
    if (name === "culvert-native") return culvert(program, { native: true });
    if (name === "bare-loop") return Promise.resolve(bareLoop());
    return name === "haproxy" ? haproxy() : nginx();
  }));
}

/** What the runtime allows at best. */
function bareLoop(): Candidate {
  return {
    name: "bare-loop",
    label: "Bare loop",
    version: `on Deno ${Deno.version.deno}`,
    modes: ["plain"],
    start({ listenPort, backendPort }, bench) {
      const program = denoProgram("./bare_loop.ts", { args: [listenPort, backendPort], bench });
      return startServer({ ...program, core: PROXY_CORE }, listenPort);
    },
  };
}

/** With its own TLS, or with the runtime's, which takes no client certificates. */
async function culvert(
  { main, v8Flags }: CulvertProgram,
  { native }: { native: boolean },
): Promise<Candidate> {
  const name = native ? "culvert-native" : "culvert";
  const root = main.slice(0, main.lastIndexOf("/"));
  try {
    await Deno.stat(main);
  } catch {
    return { name, missing: `there is no ${main}` };
  }
  return {
    name,
    label: native ? "Culvert, native" : "Culvert",
    version: `${await culvertVersion(root)} on Deno ${Deno.version.deno}${v8Flags ? ` with ${v8Flags}` : ""}`,
    modes: native ? ["tls"] : ALL_MODES,
    async start(route, bench) {
      const text = culvertConfig(route, { bench, native });
      const file = await writeConfig(bench, `culvert-${route.listenPort}.yaml`, text);
      const v8 = v8Flags === undefined ? [] : [`--v8-flags=${v8Flags}`];
      const args = ["run", ...v8, "--allow-net", `--allow-read=${bench.directory}`, main, "--config", file];
      const spec = { program: Deno.execPath(), args, core: PROXY_CORE, cwd: root, signal: bench.signal };
      const server = await startServer(spec, route.listenPort);
      if (!server.process.output.includes("tls.native")) return server;
      // It goes on with its own, and would be measured under a wrong name.
      const failure = server.process.failure("does not use the runtime's TLS");
      await server[Symbol.asyncDispose]();
      throw failure;
    },
  };
}

async function culvertVersion(root: string): Promise<string> {
  const text = await Deno.readTextFile(`${root}/deno.json`).catch(() => "");
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? "(no version)";
}

async function haproxy(): Promise<Candidate> {
  const name = "haproxy";
  const version = await versionOf(name);
  if (version === undefined) return { name, missing: "it is not installed" };
  return {
    name,
    label: "HAProxy",
    version: `${version} with ${await tlsLibraryOf(name)}`,
    modes: ALL_MODES,
    async start(route, bench) {
      if (route.http?.routes) await Deno.writeTextFile(haproxyMapFile(bench.directory), haproxyMap());
      const file = await writeConfig(bench, `haproxy-${route.listenPort}.cfg`, haproxyConfig(route, bench));
      const spec = { program: name, args: ["-db", "-f", file], core: PROXY_CORE, signal: bench.signal };
      return await startServer(spec, route.listenPort);
    },
  };
}

async function nginx(): Promise<Candidate> {
  const name = "nginx";
  const version = await versionOf(name);
  if (version === undefined) return { name, missing: "it is not installed" };
  const modules = await nginxModules();
  if (modules === undefined) return { name, missing: "its stream module is not installed" };
  return {
    name,
    label: "nginx",
    version: `${version} with ${await tlsLibraryOf(name)}`,
    modes: ALL_MODES,
    async start(route, bench) {
      const text = modules + nginxConfig(route, bench);
      const file = await writeConfig(bench, `nginx-${route.listenPort}.conf`, text);
      const args = ["-e", "stderr", "-p", bench.directory, "-c", file];
      const spec = { program: name, args, core: PROXY_CORE, signal: bench.signal };
      return await startServer(spec, route.listenPort);
    },
  };
}

async function writeConfig(bench: Bench, name: string, text: string): Promise<string> {
  const file = `${bench.directory}/${name}`;
  await Deno.writeTextFile(file, text);
  return file;
}
