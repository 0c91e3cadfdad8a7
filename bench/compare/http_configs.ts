import type { Bench } from "./types.ts";

// All three: one thread, an access log of one line a request to a pipe, connections to the backend kept alive.

interface Ports {
  readonly listenPort: number;
  readonly backendPort: number;
}

/** HAProxy's, which forwards HTTP. */
export function haproxyHttpConfig({ listenPort, backendPort }: Ports, { maxConnections }: Bench): string {
  return `global
  nbthread 1
  maxconn ${maxConnections}
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  maxconn ${maxConnections}
  timeout connect 10s
  timeout client 90s
  timeout server 90s
listen compare
  bind 127.0.0.1:${listenPort}
  http-reuse always
  server origin 127.0.0.1:${backendPort}
`;
}

/** nginx's, which forwards HTTP, without the lines that load modules. */
export function nginxHttpConfig({ listenPort, backendPort }: Ports, bench: Bench): string {
  const { maxConnections, directory } = bench;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${directory}/${name}-${listenPort};`).join("\n");
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile ${2 * maxConnections + 100};
error_log stderr warn;
pid nginx-${listenPort}.pid;
events { worker_connections ${2 * maxConnections}; }
http {
  access_log /dev/stdout;
  keepalive_requests 1000000000;
${temporary}
  upstream origin {
    server 127.0.0.1:${backendPort};
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${listenPort} backlog=4096;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`;
}
