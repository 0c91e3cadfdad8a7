import { formatAddress } from "../net/address.ts";
import { LineWriter } from "../app/line_writer.ts";
import { Supervisor } from "../app/supervisor.ts";
import { type DemoBackend, startDemoBackend } from "./demo_backend.ts";
import { ExitCode } from "./exit_code.ts";
import { VERSION } from "./version.ts";

const WEIGHTS = { a: 5, b: 1, c: 1 } as const;
const LIVE_LINE_MS = 1000;

/** The certificates of the repository, as the printed commands name them too. */
const CERTS = "certs";

/**
 * Runs the proxy on a configuration of its own, in front of three small backends in the same process, until
 * Ctrl-C: one listener for everybody, one for those who show a certificate, and the admin API.
 *
 * Needs to use the network on 127.0.0.1 and to read the folder `certs`, and nothing else.
 */
export async function runDemo(): Promise<ExitCode> {
  const backends = Object.keys(WEIGHTS).map(startDemoBackend);
  const text = demoConfig(backends);
  const supervisor = new Supervisor({
    version: VERSION,
    source: { name: "demo", folder: ".", read: () => Promise.resolve(text) },
    writer: new LineWriter(Deno.stderr),
    checkPermissions: () => Promise.resolve(),
  });
  try {
    await supervisor.start();
    console.log(introduction(supervisor));
    const live = setInterval(liveLine(supervisor), LIVE_LINE_MS);
    const { cut } = await supervisor.stopped;
    clearInterval(live);
    return cut > 0 ? ExitCode.failed : ExitCode.ok;
  } finally {
    await Promise.all(backends.map((backend) => backend.close()));
  }
}

/** The configuration of the demo, such as a user would write it. */
function demoConfig(backends: readonly DemoBackend[]): string {
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
  - name: mutual-tls
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
}

/** What there is to try. Each command can be run as it stands, in the folder that the demo runs in. */
function introduction(supervisor: Supervisor): string {
  const [plain, mutual] = supervisor.app.services.map(({ listeners }) => listeners[0]!);
  const url = `http://${formatAddress(plain!)}/`;
  const { port } = mutual as { port: number };
  const secure = `https://localhost:${port}/`;
  const api = `http://${formatAddress(supervisor.adminAddress!)}/api`;
  const [first] = supervisor.app.upstream("hello")!.upstream.backends;
  return `
The demo has three backends with weights 5, 1, 1, and two listeners in front of them. Try:

  curl ${url}

and, with a client certificate and without one, which is refused (nothing in ${CERTS}/ is for production):

  curl --cacert ${CERTS}/ca.pem --cert ${CERTS}/client.pem --key ${CERTS}/client.key ${secure}
  curl --cacert ${CERTS}/ca.pem ${secure}

What it is doing, and how a backend is taken out by hand, and back:

  curl ${api}/status
  curl -X POST ${api}/upstreams/hello/backends/${first!.key}/drain
  curl -X POST ${api}/upstreams/hello/backends/${first!.key}/enable

Ctrl-C drains and stops it.
`;
}

/** Prints what flows, whenever that has changed. */
function liveLine(supervisor: Supervisor): () => void {
  let last = "";
  return () => {
    const { services } = supervisor.app;
    const sum = (key: "active" | "total" | "bytesUp" | "bytesDown") =>
      services.reduce((sum, service) => sum + service[key], 0);
    const backends = supervisor.app.upstream("hello")?.upstream.backends ?? [];
    const shares = backends.map((backend, index) => `${Object.keys(WEIGHTS)[index]} ${backend.total}`).join(
      ", ",
    );
    const line = `${sum("active")} active, ${sum("total")} in all (${shares}), ` +
      `${sum("bytesUp")} bytes up, ${sum("bytesDown")} bytes down`;
    if (line !== last && sum("total") > 0) console.log(line);
    last = line;
  };
}
