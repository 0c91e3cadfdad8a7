import type { Bench, HttpSetting, Route } from "./types.ts";
import { culvertTls, haproxyTls, nginxTls } from "./tls_configs.ts";
import { HOSTNAMES, PATHS, ROUTES } from "./http_routes.ts";

// All three: one thread, an access log of one line a request to a pipe (unless it is off), connections to the backend
// kept alive.

/** Culvert's, in YAML. */
export function culvertHttpConfig({ listenPort, backendPort, http = {} }: Route, bench: Bench): string {
  const { accessLog = true, routes = false } = http;
  const lines = ROUTES.map(({ host, path }) =>
    `      - {match: {host: ${host}, path: ${path}}, upstream: origin}`
  );
  return `version: 1
log: {level: info, access: ${accessLog}}
timeouts: {connect: 10s, idle: 90s}
upstreams:
  origin:
    backends:
      - address: 127.0.0.1:${backendPort}
services:
  - name: compare
    protocol: http
    listen: ["127.0.0.1:${listenPort}"]
${routes ? `    routes:\n${lines.join("\n")}` : "    upstream: origin"}
${culvertTls(tlsMode(http), { directory: bench.directory, native: false })}`;
}

/** HAProxy's. Routes are a map, which it searches as a tree. */
export function haproxyHttpConfig({ listenPort, backendPort, http = {} }: Route, bench: Bench): string {
  const { maxConnections, directory } = bench;
  const { accessLog = true, routes = false } = http;
  return `global
  nbthread 1
  maxconn ${maxConnections}
  log stdout format raw local0
defaults
  mode http
${accessLog ? "  log global\n  option httplog\n" : ""}  option forwardfor
  maxconn ${maxConnections}
  timeout connect 10s
  timeout client 90s
  timeout server 90s
frontend compare
  bind 127.0.0.1:${listenPort}${haproxyTls(tlsMode(http), directory)}
  ${routes ? `use_backend %[base,map_beg(${haproxyMapFile(directory)})]` : "default_backend origin"}
backend origin
  http-reuse always
  server origin 127.0.0.1:${backendPort}
`;
}

/** The file that `haproxyMap` belongs into. */
export function haproxyMapFile(directory: string): string {
  return `${directory}/routes.map`;
}

/** The routes as a map from the beginning of host and path to a backend. */
export function haproxyMap(): string {
  return ROUTES.map(({ host, path }) => `${host}${path} origin\n`).join("");
}

/** nginx's, which forwards HTTP and keeps no body in a file, without the lines that load modules. */
export function nginxHttpConfig({ listenPort, backendPort, http = {} }: Route, bench: Bench): string {
  const { maxConnections, directory } = bench;
  const { accessLog = true } = http;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${directory}/${name}-${listenPort};`).join("\n");
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile ${2 * maxConnections + 100};
error_log stderr warn;
pid nginx-${listenPort}.pid;
events { worker_connections ${2 * maxConnections}; }
http {
  access_log ${accessLog ? "/dev/stdout" : "off"};
  keepalive_requests 1000000000;
  client_max_body_size 0;
${temporary}
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr;
${nginxTls(tlsMode(http), directory)}  upstream origin {
    server 127.0.0.1:${backendPort};
    keepalive 1024;
    keepalive_requests 1000000000;
  }
${nginxServers(listenPort, http)}}
`;
}

function nginxServers(listenPort: number, { tls = false, routes = false }: HttpSetting): string {
  const server = (name: string, paths: readonly string[], flags: string) => {
    const locations = paths.map((path) => `    location ${path} { proxy_pass http://origin; }\n`).join("");
    return `  server {\n    listen 127.0.0.1:${listenPort}${
      tls ? " ssl" : ""
    }${flags};\n${name}${locations}  }\n`;
  };
  if (!routes) return server("", ["/"], " backlog=4096");
  const refused = "    location / { return 404; }\n";
  return HOSTNAMES.map((host, i) =>
    server(`    server_name ${host};\n${refused}`, PATHS, i === 0 ? " backlog=4096" : "")
  ).join("");
}

/** The mode that has the TLS of the clients. */
function tlsMode({ tls = false }: HttpSetting): "plain" | "tls" {
  return tls ? "tls" : "plain";
}
