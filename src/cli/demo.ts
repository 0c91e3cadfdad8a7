import { LineWriter } from "../app/log/line_writer.ts";
import { Supervisor } from "../app/supervisor.ts";
import type { DataPlaneReport } from "../dataplane/report.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { type DemoBackend, startDemoBackend } from "./demo_backend.ts";
import { CERTS, findObstacle, type Obstacle } from "./demo_certs.ts";
import { flowLine } from "./demo_line.ts";
import { ExitCode } from "./exit_code.ts";
import { requirePermissions } from "./permissions.ts";
import { VERSION } from "./version.ts";

const WEIGHTS = { a: 5, b: 1, c: 1 } as const;
const LIVE_LINE_MS = 1000;

/**
 * Runs the proxy on a configuration of its own, in front of three small backends in the same process, until
 * Ctrl-C: a TCP service for all clients, one that requires a client certificate, an HTTP service, and the admin API.
 *
 * Needs to use the network on 127.0.0.1. Where the folder `certs` is not there or may not be read, it says so and
 * leaves the listener for certificates out.
 *
 * @throws {MissingPermissionError} when it may not use the network.
 */
export async function runDemo(): Promise<ExitCode> {
  await requirePermissions({ net: ["127.0.0.1"], read: [], write: [] }, { ask: true });
  const obstacle = await findObstacle();
  const backends = Object.keys(WEIGHTS).map(startDemoBackend);
  const text = demoConfig(backends, { mutualTls: obstacle === undefined });
  const writer = new LineWriter(Deno.stderr);
  const supervisor = new Supervisor({
    version: VERSION,
    source: { name: "demo", folder: ".", read: () => Promise.resolve(text) },
    writer,
    checkPermissions: () => Promise.resolve(),
  });
  try {
    await supervisor.start();
    let live: ReturnType<typeof setInterval> | undefined;
    if (supervisor.adminAddress !== undefined) { // Else it has been stopped meanwhile.
      console.log(introduction(supervisor.adminAddress, { report: await reportOf(supervisor), obstacle }));
      live = setInterval(liveLine(supervisor), LIVE_LINE_MS);
    }
    const { cut } = await supervisor.stopped;
    clearInterval(live);
    return cut > 0 ? ExitCode.failed : ExitCode.ok;
  } finally {
    await writer.flush();
    await Promise.all(backends.map((backend) => backend.close()));
  }
}

/** The configuration of the demo, such as a user would write it. */
function demoConfig(backends: readonly DemoBackend[], options: { mutualTls: boolean }): string {
  const entries = backends.map(({ name, port }) =>
    `      - {address: "127.0.0.1:${port}", weight: ${WEIGHTS[name as keyof typeof WEIGHTS]}}`
  );
  return `version: 1
admin: {listen: "127.0.0.1:0"}
upstreams:
  hello:
    backends:
${entries.join("\n")}
    health: {type: http, interval: 1s}
services:
  - name: plain
    listen: ["127.0.0.1:0"]
    upstream: hello
  - name: web
    protocol: http
    listen: ["127.0.0.1:0"]
    routes:
      - match: {path: /}
        upstream: hello
      - match: {path: /api, methods: [GET]}
        rewrite: /v1
        upstream: hello
      - match: {path: /old}
        redirect: {to: "/api{query}"}
${options.mutualTls ? MUTUAL_TLS : ""}`;
}

const MUTUAL_TLS = `  - name: mutual-tls
    listen: ["127.0.0.1:0"]
    tls:
      cert: ${CERTS}/server.pem
      key: ${CERTS}/server.key
      clientAuth:
        ca: ${CERTS}/ca.pem
        crl: ${CERTS}/ca.crl
        allow: [{cn: client}]
    upstream: hello
`;

/** What there is to try. Each command can be run as it stands, in the folder that the demo runs in. */
function introduction(
  admin: Address,
  { report, obstacle }: { report: DataPlaneReport; obstacle: Obstacle | undefined },
): string {
  const [plain, web, mutual] = report.services.map(({ listeners }) => listeners[0]!);
  const api = `http://${formatAddress(admin)}/api`;
  const [first] = report.upstreams[0]!.backends;
  return `
The demo has three backends with weights 5, 1, 1, and a listener in front of them. Try:

  curl http://${formatAddress(plain!)}/

${webCommands(formatAddress(web!))}
${obstacle === undefined ? mutualTlsCommands(mutual as { port: number }) : leftOut(obstacle)}
Show the status, disable a backend by hand, and enable it again:

  curl ${api}/status
  curl -X POST ${api}/upstreams/hello/backends/${first!.key}/drain
  curl -X POST ${api}/upstreams/hello/backends/${first!.key}/enable

Ctrl-C drains and stops it.
`;
}

function webCommands(address: string): string {
  const socket = `const s = new WebSocket("ws://${address}/socket"); s.onopen = () => s.send("hello"); `;
  return `An HTTP service has routes: a rewritten path, a redirect, and a WebSocket to a backend:

  curl http://${address}/api/users
  curl -i 'http://${address}/old?page=2'
  deno eval '${socket}s.onmessage = ({ data }) => { console.log(data); s.close(); }'
`;
}

function mutualTlsCommands({ port }: { port: number }): string {
  const url = `https://localhost:${port}/`;
  return `A third service requires a client certificate. A client with one is accepted, a client without one is rejected
(nothing in ${CERTS}/ is for production):

  curl --cacert ${CERTS}/ca.pem --cert ${CERTS}/client.pem --key ${CERTS}/client.key ${url}
  curl --cacert ${CERTS}/ca.pem ${url}
`;
}

function leftOut({ why, help }: Obstacle): string {
  return `The third service, which requires a client certificate, is left out: ${why}.
To have it, ${help}.
`;
}

function reportOf({ controlPlane }: Supervisor): Promise<DataPlaneReport> {
  return controlPlane.dataPlane.report();
}

/** Prints what flows, whenever that has changed. */
function liveLine(supervisor: Supervisor): () => Promise<void> {
  let last = "";
  return async () => {
    const { services, upstreams } = await reportOf(supervisor);
    const names = Object.keys(WEIGHTS);
    const shares = (upstreams[0]?.backends ?? []).map(({ total }, index) => ({ name: names[index]!, total }));
    const line = flowLine(services, shares);
    if (line !== last) console.log(line);
    last = line;
  };
}
