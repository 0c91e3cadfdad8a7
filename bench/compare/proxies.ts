import { type Bench, type Proxy, PROXY_CORE, type Route } from "./types.ts";
import { nginxModules } from "./nginx.ts";
import { versionOf } from "./tools.ts";
import { startServer } from "./server.ts";

/** A proxy that can be measured here, or the reason why it cannot. */
export type Candidate = Proxy | { name: string; missing: string };

/** The names that `--proxies` takes, in the order of the table. */
export const PROXY_NAMES = ["culvert", "haproxy", "nginx"] as const;

/** Finds the proxies that were asked for. `culvertMain` is the path of Culvert's `main.ts`. */
export function findProxies(names: readonly string[], culvertMain: string): Promise<Candidate[]> {
  return Promise.all(names.map((name) => {
    if (name === "culvert") return culvert(culvertMain);
    return name === "haproxy" ? haproxy() : nginx();
  }));
}

async function culvert(main: string): Promise<Candidate> {
  const name = "culvert";
  const root = main.slice(0, main.lastIndexOf("/"));
  try {
    await Deno.stat(main);
  } catch {
    return { name, missing: `there is no ${main}` };
  }
  return {
    name,
    label: "Culvert",
    version: `${await culvertVersion(root)} on Deno ${Deno.version.deno}`,
    async start(route, bench) {
      const file = await writeConfig(bench, `culvert-${route.listenPort}.yaml`, culvertConfig(route));
      const args = ["run", "--allow-net", `--allow-read=${file}`, main, "--config", file];
      const spec = { program: Deno.execPath(), args, core: PROXY_CORE, cwd: root, signal: bench.signal };
      return await startServer(spec, route.listenPort);
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
    version,
    async start(route, bench) {
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
    version,
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

// All three: one thread, no access log, the same timeouts; everything else is each program's own default.

function culvertConfig({ listenPort, backendPort }: Route): string {
  return `version: 1
log: {level: warn, access: false}
timeouts: {connect: 10s, idle: 90s}
upstreams:
  origin:
    backends:
      - address: 127.0.0.1:${backendPort}
services:
  - name: compare
    protocol: tcp
    listen: ["127.0.0.1:${listenPort}"]
    upstream: origin
`;
}

function haproxyConfig({ listenPort, backendPort }: Route, { maxConnections }: Bench): string {
  return `global
  nbthread 1
  maxconn ${maxConnections}
defaults
  mode tcp
  maxconn ${maxConnections}
  timeout connect 10s
  timeout client 90s
  timeout server 90s
listen compare
  bind 127.0.0.1:${listenPort}
  server origin 127.0.0.1:${backendPort}
`;
}

function nginxConfig({ listenPort, backendPort }: Route, { maxConnections }: Bench): string {
  // A tunnel takes two of nginx's connections.
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile ${2 * maxConnections + 100};
error_log stderr warn;
pid nginx-${listenPort}.pid;
events { worker_connections ${2 * maxConnections}; }
stream {
  access_log off;
  proxy_connect_timeout 10s;
  proxy_timeout 90s;
  server {
    listen 127.0.0.1:${listenPort};
    proxy_pass 127.0.0.1:${backendPort};
  }
}
`;
}
