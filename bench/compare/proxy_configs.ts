import type { Bench, Route } from "./types.ts";
import { culvertHttpConfig, haproxyHttpConfig, nginxHttpConfig } from "./http_configs.ts";
import { culvertTls, haproxyTls, nginxTls } from "./tls_configs.ts";

// All three: one thread, no access log (but for HTTP), the same timeouts; everything else is each program's own default. TLS:
// the same certificates, and TLS 1.3 with one cipher suite and one key exchange. Culvert can't be told these
// two, but all clients prefer them, and it goes by what they prefer.

/** Culvert's, in YAML. `native` takes the runtime's TLS. */
export function culvertConfig(route: Route, { bench, native }: { bench: Bench; native: boolean }): string {
  if (route.mode === "http") return culvertHttpConfig(route, bench);
  const { listenPort, backendPort, mode } = route;
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
${culvertTls(mode, { directory: bench.directory, native })}`;
}

/** HAProxy's. */
export function haproxyConfig(route: Route, bench: Bench): string {
  if (route.mode === "http") return haproxyHttpConfig(route, bench);
  const { listenPort, backendPort, mode } = route;
  const { maxConnections, directory } = bench;
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
  bind 127.0.0.1:${listenPort}${haproxyTls(mode, directory)}
  server origin 127.0.0.1:${backendPort}
`;
}

/** nginx's, without the lines that load modules. */
export function nginxConfig(route: Route, bench: Bench): string {
  if (route.mode === "http") return nginxHttpConfig(route, bench);
  const { listenPort, backendPort, mode } = route;
  const { maxConnections, directory } = bench;
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
    listen 127.0.0.1:${listenPort}${mode === "plain" ? "" : " ssl"};
    proxy_pass 127.0.0.1:${backendPort};
${nginxTls(mode, directory)}  }
}
`;
}
