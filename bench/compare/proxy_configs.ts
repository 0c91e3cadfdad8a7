import { type Bench, type Mode, type Route, TLS_CIPHER, TLS_GROUP } from "./types.ts";
import { certificatePaths } from "./certificate_paths.ts";
import { haproxyHttpConfig, nginxHttpConfig } from "./http_configs.ts";

// All three: one thread, no access log (but for HTTP), the same timeouts; everything else is each program's own default. TLS:
// the same certificates, and TLS 1.3 with one cipher suite and one key exchange. Culvert can't be told these
// two, but all clients prefer them, and it goes by what they prefer.

/** Culvert's, in YAML. `native` takes the runtime's TLS. */
export function culvertConfig({ listenPort, backendPort, mode }: Route, options: {
  bench: Bench;
  native: boolean;
}): string {
  const isHttp = mode === "http";
  return `version: 1
log: ${isHttp ? "{level: info, access: true}" : "{level: warn, access: false}"}
timeouts: {connect: 10s, idle: 90s}
upstreams:
  origin:
    backends:
      - address: 127.0.0.1:${backendPort}
services:
  - name: compare
    protocol: ${isHttp ? "http" : "tcp"}
    listen: ["127.0.0.1:${listenPort}"]
    upstream: origin
${culvertTls(mode, options)}`;
}

function culvertTls(mode: Mode, { bench, native }: { bench: Bench; native: boolean }): string {
  if (mode === "plain" || mode === "http") return "";
  const { serverCert, serverKey, ca } = certificatePaths(bench.directory);
  const tls = {
    cert: serverCert,
    key: serverKey,
    ...(native ? { native } : {}),
    ...(mode === "mtls" ? { clientAuth: { ca, allow: [{ any: true }] } } : {}),
  };
  return `    tls: ${JSON.stringify(tls)}\n`;
}

/** HAProxy's. */
export function haproxyConfig({ listenPort, backendPort, mode }: Route, bench: Bench): string {
  if (mode === "http") return haproxyHttpConfig({ listenPort, backendPort }, bench);
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

function haproxyTls(mode: Mode, directory: string): string {
  if (mode === "plain" || mode === "http") return "";
  const { serverBoth, ca } = certificatePaths(directory);
  const clients = mode === "mtls" ? ` ca-file ${ca} verify required` : "";
  return ` ssl crt ${serverBoth}${clients} ssl-min-ver TLSv1.3 ciphersuites ${TLS_CIPHER} curves ${TLS_GROUP}`;
}

/** nginx's, without the lines that load modules. */
export function nginxConfig({ listenPort, backendPort, mode }: Route, bench: Bench): string {
  if (mode === "http") return nginxHttpConfig({ listenPort, backendPort }, bench);
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

function nginxTls(mode: Mode, directory: string): string {
  if (mode === "plain" || mode === "http") return "";
  const { serverCert, serverKey, ca } = certificatePaths(directory);
  const clients = mode === "mtls" ? [`ssl_client_certificate ${ca}`, "ssl_verify_client on"] : [];
  return [
    `ssl_certificate ${serverCert}`,
    `ssl_certificate_key ${serverKey}`,
    "ssl_protocols TLSv1.3",
    `ssl_conf_command Ciphersuites ${TLS_CIPHER}`,
    `ssl_ecdh_curve ${TLS_GROUP}`,
    ...clients,
  ].map((line) => `    ${line};\n`).join("");
}
