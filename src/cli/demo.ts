import { formatAddress } from "../net/address.ts";
import { LineWriter } from "../app/line_writer.ts";
import { Supervisor } from "../app/supervisor.ts";
import { type DemoBackend, startDemoBackend } from "./demo_backend.ts";
import { ExitCode } from "./exit_code.ts";

const WEIGHTS = { a: 5, b: 1, c: 1 } as const;
const LIVE_LINE_MS = 1000;

/**
 * Runs the proxy on a configuration of its own, in front of three small backends in the same process, until
 * Ctrl-C. Needs no file, and the permission to use the network on 127.0.0.1 alone.
 */
export async function runDemo(): Promise<ExitCode> {
  const backends = Object.keys(WEIGHTS).map(startDemoBackend);
  const text = demoConfig(backends);
  const supervisor = new Supervisor({
    source: { name: "demo", folder: ".", read: () => Promise.resolve(text) },
    writer: new LineWriter(Deno.stderr),
    checkPermissions: () => Promise.resolve(),
  });
  await supervisor.start();
  const { listeners } = supervisor.app.services[0]!;
  const url = `http://${formatAddress(listeners[0]!)}/`;
  console.log(`\nThe demo listens on ${url} in front of three backends with weights 5, 1, 1. Try:\n`);
  console.log(
    `  curl ${url}\n  for i in 1 2 3 4 5 6 7; do curl -s ${url}; done\n\nCtrl-C drains and stops it.\n`,
  );

  const live = setInterval(liveLine(supervisor), LIVE_LINE_MS);
  const { cut } = await supervisor.stopped;
  clearInterval(live);
  await Promise.all(backends.map((backend) => backend.close()));
  return cut > 0 ? ExitCode.failed : ExitCode.ok;
}

/** The configuration of the demo, such as a user would write it. */
function demoConfig(backends: readonly DemoBackend[]): string {
  const entries = backends.map(({ name, port }) =>
    `      - {address: "127.0.0.1:${port}", weight: ${WEIGHTS[name as keyof typeof WEIGHTS]}}`
  );
  return `version: 1
upstreams:
  hello:
    backends:
${entries.join("\n")}
services:
  - name: demo
    protocol: tcp
    listen: ["127.0.0.1:0"]
    upstream: hello
`;
}

/** Prints what flows, whenever that has changed. */
function liveLine(supervisor: Supervisor): () => void {
  let last = "";
  return () => {
    const service = supervisor.app.services[0]!;
    const backends = supervisor.app.upstreams.get("hello")?.backends ?? [];
    const shares = backends.map((backend, index) => `${Object.keys(WEIGHTS)[index]} ${backend.total}`).join(
      ", ",
    );
    const line = `${service.active} active, ${service.total} in all (${shares}), ` +
      `${service.bytesUp} bytes up, ${service.bytesDown} bytes down`;
    if (line !== last && service.total > 0) console.log(line);
    last = line;
  };
}
