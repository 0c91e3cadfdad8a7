// What hostile clients and backends cost: processor time of Culvert and of HAProxy for each action, side by side, and
// whether Culvert's is within a bound: five times HAProxy's, or 5 ms where that is more; 30 ms where SECURITY.md says so.
// `deno run -A bench/hostile_bench.ts [ACTION…]`; needs Linux, HAProxy, openssl, python3 with `cryptography`.
import { createAuthority } from "../src/mod.ts";
import { makeCaWeb } from "../tests/tls/x509/path/ca_web.ts";
import { usageOf } from "./compare/proc.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const CLIENT = new URL("./hostile/client.py", import.meta.url).pathname;
const BOUND_RATIO = 5;
const BOUND_MS = 5;
/** Of actions that make the verifier check as many signatures as it ever does: SECURITY.md, promise 16. */
const BOUNDS_MS: Readonly<Record<string, number>> = { namesakes: 30 };
/** The common name of the trusted CA. */
const NAME = "Bench CA";
/** How long a proxy may work on after the last client has gone. */
const REST_MS = 500;

/** An action of the client, on which service it is tried, how often, and what it is called. */
const ACTIONS: readonly (readonly [action: string, service: Service, times: number, what: string])[] = [
  ["honest", "tls", 200, "an honest handshake and one byte (for comparison)"],
  ["silent", "tls", 200, "a TCP connection that says nothing"],
  ["half_hello", "tls", 200, "half a ClientHello"],
  ["in_bytes", "tls", 50, "a ClientHello byte by byte"],
  ["in_records", "tls", 100, "a ClientHello in records of one byte"],
  ["oversized", "tls", 100, "a ClientHello of 16 MiB that begins"],
  ["not_tls", "tls", 200, "HTTP to a TLS listener"],
  ["early_data", "tls", 100, "early data (0-RTT) without a ticket, 16 KiB"],
  ["no_certificate", "tls", 100, "a handshake without a certificate"],
  ["web_tls12", "tls", 30, "a web of CAs by TLS 1.2"],
  ["web_tls13", "tls", 30, "a web of CAs by TLS 1.3"],
  ["namesakes", "tls", 30, "a web of CAs with the name of the trusted CA"],
  ["empty_records", "tls", 20, "1,000 empty records after the handshake"],
  ["one_byte_records", "tls", 20, "1,000 records of one byte after the handshake"],
  ["key_updates", "tls", 20, "1,000 KeyUpdates"],
  ["key_updates_asked", "tls", 20, "1,000 KeyUpdates that ask for one"],
  ["renegotiations", "tls", 10, "20 renegotiations (TLS 1.2)"],
  ["proxy_garbage", "proxy", 200, "a PROXY header of garbage"],
  ["proxy_v2_garbage", "proxy", 200, "a PROXY v2 header of 64 KiB that begins"],
  ["web_tls13", "admin", 20, "a web of CAs to the admin listener"],
  ["backend", "to13", 20, "a backend with a web of CAs, TLS 1.3"],
  ["backend", "to12", 20, "a backend with a web of CAs, TLS 1.2"],
];
type Service = "tls" | "proxy" | "admin" | "to13" | "to12";

class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  async next(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error("the client has ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return line;
  }
}

async function writeCertificates(folder: string): Promise<void> {
  const ca = await createAuthority({ name: NAME });
  const server = await ca.issueServer({ names: ["server.test"] });
  const client = await ca.issueClient({ cn: "client" });
  const { chainPem, keyPem } = makeCaWeb();
  const namesakes = makeCaWeb({ cn: NAME });
  const files = {
    "ca.pem": ca.certPem,
    "server.pem": server.chainPem,
    "server.key": server.keyPem,
    "haproxy.pem": server.chainPem + server.keyPem,
    "client.pem": client.chainPem,
    "client.key": client.keyPem,
    "web.pem": chainPem,
    "web.key": keyPem,
    "namesakes.pem": namesakes.chainPem,
    "namesakes.key": namesakes.keyPem,
  };
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${folder}/${name}`, text);
}

/** Ports below those that the kernel gives by itself. */
function ports(first: number): Record<Service, number> {
  return { tls: first, proxy: first + 1, admin: first + 2, to13: first + 3, to12: first + 4 };
}

interface Backends {
  readonly echo: string;
  readonly web13: string;
  readonly web12: string;
}

function culvertConfig(at: Record<Service, number>, { echo, web13, web12 }: Backends): string {
  const own = { cert: "server.pem", key: "server.key", clientAuth: { ca: "ca.pem", allow: [{ any: true }] } };
  const to = (port: string, more = {}) => ({ backends: [`127.0.0.1:${port}`], ...more });
  const hostile = {
    retries: 0,
    tls: { ca: "ca.pem", serverName: "server.test" },
    health: { type: "tls", interval: "1s" },
  };
  const service = (name: Service, upstream: unknown, more = {}) => ({
    ...{ name, listen: [`127.0.0.1:${at[name]}`], upstream, maxHandshakes: 0, ...more },
  });
  return JSON.stringify({
    version: 1,
    log: { access: false, level: "error" },
    admin: { listen: `127.0.0.1:${at.admin}`, tls: own },
    services: [
      service("tls", to(echo), { tls: own }),
      service("proxy", to(echo), { proxyProtocol: true, trusted: ["127.0.0.0/8"] }),
      service("to13", to(web13, hostile)),
      service("to12", to(web12, hostile)),
    ],
  });
}

function haproxyConfig(
  at: Record<Service, number>,
  { echo, web13, web12 }: Backends,
  folder: string,
): string {
  const tls = `ssl crt ${folder}/haproxy.pem ca-file ${folder}/ca.pem verify required`;
  const hostile = `ssl verify required ca-file ${folder}/ca.pem sni str(server.test)`;
  const proxy = (name: Service, bind: string, server: string, more = "") =>
    `listen ${name}\n bind 127.0.0.1:${at[name]} ${bind}\n ${more}\n server s 127.0.0.1:${server}\n`;
  return `global\n nbthread 1\n maxconn 4000\n ssl-server-verify required
defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n retries 0
${proxy("tls", tls, echo)}${proxy("proxy", "accept-proxy", echo)}${proxy("admin", tls, echo)}
${proxy("to13", "", `${web13} ${hostile}`)}${proxy("to12", "", `${web12} ${hostile}`)}`;
}

async function answering(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`nothing listens on port ${port}`);
}

const folder = Deno.makeTempDirSync({ prefix: "culvert-hostile-" });
await writeCertificates(folder);
const client = new Deno.Command("python3", { args: [CLIENT, folder], stdin: "piped", stdout: "piped" })
  .spawn();
const [lines, input] = [new Lines(client.stdout), client.stdin.getWriter()];
const [echo = "", web13 = "", web12 = ""] = (await lines.next()).split(" ");
const backends = { echo, web13, web12 };
const [ours, theirs] = [ports(21_300), ports(21_400)];
Deno.writeTextFileSync(`${folder}/culvert.json`, culvertConfig(ours, backends));
Deno.writeTextFileSync(`${folder}/haproxy.cfg`, haproxyConfig(theirs, backends, folder));
const quiet = { stdout: "null", stderr: "null", cwd: folder } as const;
const culvert = new Deno.Command(Deno.execPath(), {
  ...{ args: ["run", "-A", "--no-prompt", MAIN, "--config", "culvert.json"], ...quiet, stderr: "inherit" },
}).spawn();
const haproxy = new Deno.Command("haproxy", { args: ["-f", "haproxy.cfg", "-db"], ...quiet }).spawn();

/** Milliseconds of processor time for each time that the client does this. */
async function cost(pid: number, { action, port, times }: { action: string; port: number; times: number }) {
  const before = usageOf(pid).cpuSeconds;
  await input.write(new TextEncoder().encode(`${action} ${port} ${times}\n`));
  const answer = await lines.next();
  if (answer !== "done") console.error(`${action} on ${port}: ${answer}`);
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  return (usageOf(pid).cpuSeconds - before) * 1000 / times;
}

let beyond = 0;
try {
  for (const port of [ours.tls, ours.admin, theirs.tls]) await answering(port);
  for (const [pid, { tls }] of [[culvert.pid, ours], [haproxy.pid, theirs]] as const) {
    await cost(pid, { action: "honest", port: tls, times: 100 });
  }
  console.log("milliseconds of processor time      Culvert   HAProxy");
  for (const [action, service, times, what] of ACTIONS) {
    if (Deno.args.length > 0 && !Deno.args.includes(action)) continue;
    const own = await cost(culvert.pid, { action, port: ours[service], times });
    const other = await cost(haproxy.pid, { action, port: theirs[service], times });
    const isBeyond = own > Math.max(BOUNDS_MS[action] ?? BOUND_MS, BOUND_RATIO * other);
    if (isBeyond) beyond++;
    console.log(
      `${own.toFixed(2).padStart(9)} ${other.toFixed(2).padStart(9)}  ${what}${
        isBeyond ? "  BEYOND THE BOUND" : ""
      }`,
    );
  }
} finally {
  for (const child of [culvert, haproxy, client]) {
    child.kill("SIGKILL");
    await child.status;
  }
  Deno.removeSync(folder, { recursive: true });
}
Deno.exit(beyond === 0 ? 0 : 1);
