import { assertEquals, assertStringIncludes } from "@std/assert";
import { clientHello, extension, handshake, record, serverName } from "../net/client_hello/hello_builder.ts";
import { hex, joined } from "../net/hex.ts";
import { seededBytes, sha256, writeAll } from "../support/bytes.ts";
import { testWith } from "../support/installed.ts";
import { HEAD, startCulvert } from "../support/program.ts";
import { NGINX_STREAM, startHaproxy, startNginxStream } from "../support/servers.ts";
import { within } from "../support/wait.ts";

const TOOLS = ["nginx", NGINX_STREAM, "haproxy"];

/** Which backend gets a connection; `none`: it is closed. */
type Destination = "app" | "rest" | "none";

interface Row {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly culvert: Destination;
  /** Where it differs. */
  readonly nginx?: Destination;
  readonly haproxy?: Destination;
}

const named = (...names: (string | Uint8Array)[]) => clientHello({ extensions: serverName(...names) });
const HELLO = named("app.example.org");

/** What clients begin with, and where it goes by `sni: {app.example.org: app}` and `upstream: rest`. */
const TABLE: readonly Row[] = [
  { what: "the name", bytes: HELLO, culvert: "app" },
  { what: "the name in upper case", bytes: named("APP.Example.org"), culvert: "app" },
  { what: "another name", bytes: named("other.example.org"), culvert: "rest" },
  { what: "no name", bytes: clientHello(), culvert: "rest" },
  // The dot is not part of the name (RFC 6066, section 3).
  { what: "a dot at the end", bytes: named("app.example.org."), culvert: "app", haproxy: "rest" },
  { what: "an IPv4 address", bytes: named("127.0.0.1"), culvert: "rest" },
  { what: "an IPv6 address", bytes: named("::1"), culvert: "rest" },
  { what: "a name with a port", bytes: named("app.example.org:443"), culvert: "rest" },
  { what: "an underscore", bytes: named("my_host"), culvert: "rest" },
  { what: "a hyphen at a label's end", bytes: named("foo-.example.org"), culvert: "rest" },
  { what: "a space", bytes: named("app example.org"), culvert: "rest" },
  { what: "a NUL", bytes: named("app.example.org\0.evil"), culvert: "rest" },
  { what: "no ASCII", bytes: named(hex("ff fe")), culvert: "rest" },
  { what: "a wildcard", bytes: named("*.example.org"), culvert: "rest" },
  { what: "an empty name", bytes: named(""), culvert: "rest" },
  { what: "a name of 300 characters", bytes: named("a".repeat(300)), culvert: "rest" },
  { what: "several names", bytes: named("b.example.org", "app.example.org"), culvert: "rest" },
  {
    what: "an empty list of names",
    bytes: clientHello({ extensions: extension(0, [0, 0]) }),
    culvert: "rest",
  },
  { what: "plain HTTP", bytes: joined("GET / HTTP/1.1\r\nHost: app.example.org\r\n\r\n"), culvert: "rest" },
  { what: "an SSH banner", bytes: joined("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), culvert: "rest" },
  { what: "an SSLv2 hello", bytes: sslv2Hello(), culvert: "rest" },
  { what: "a PROXY header", bytes: joined("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), culvert: "rest" },
  { what: "a TLS alert", bytes: joined(hex("15 03 03 00 02 02 28"), new Uint8Array(20)), culvert: "rest" },
  { what: "a ServerHello", bytes: record(22, handshake(2, new Uint8Array(60))), culvert: "rest" },
  { what: "garbage", bytes: joined([0], seededBytes(3000, 7)), culvert: "rest" },
];

/** As OpenSSL sent it up to version 0.9.8, for SSLv2 to TLS 1.0. */
function sslv2Hello(): Uint8Array {
  const body = joined(hex("01 03 01 00 15 00 00 00 10"), new Uint8Array(21), new Uint8Array(16));
  return joined([0x80, body.length], body);
}

/** A server that reads as many bytes as its client has sent, and answers with its word and what it has read. */
class Sink implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #word: string;
  expected = 0;

  constructor(word: string) {
    this.#word = word;
    void this.#serve();
  }

  get address(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }

  async #serve(): Promise<void> {
    try {
      for (;;) await this.#answer(await this.#listener.accept());
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #answer(connection: Deno.Conn): Promise<void> {
    using _connection = connection;
    const bytes = new Uint8Array(this.expected);
    for (let filled = 0; filled < bytes.length;) {
      const count = await connection.read(bytes.subarray(filled)).catch(() => null);
      if (count === null) return;
      filled += count;
    }
    await writeAll(connection, new TextEncoder().encode(`${this.#word} ${sha256(bytes)}`)).catch(() => {});
  }
}

/** Two backends. */
function startSinks() {
  const stop = new DisposableStack();
  const app = stop.use(new Sink("app"));
  const rest = stop.use(new Sink("rest"));
  return { app, rest, [Symbol.dispose]: () => stop.dispose() };
}

/** Sends these bytes; resolves to the backend that has got all of them as they were. */
async function destination(port: number, bytes: Uint8Array): Promise<Destination> {
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  if (bytes.length > 0) await writeAll(client, bytes);
  let answer = "";
  const buffer = new Uint8Array(100);
  for (;;) {
    const reading = client.read(buffer).catch(() => null);
    const count = await within(reading, { what: "an answer or the end" });
    if (count === null) break;
    answer += new TextDecoder().decode(buffer.subarray(0, count));
  }
  if (answer === "") return "none";
  const [word, digest] = answer.split(" ");
  assertEquals(digest, sha256(bytes));
  return word as Destination;
}

function culvertConfig({ app, rest }: { app: Sink; rest: Sink }, upstream = "upstream: rest"): string {
  return `${HEAD}upstreams:
  app: {backends: ["${app.address}"]}
  rest: {backends: ["${rest.address}"]}
services:
  - name: by-name
    listen: ["127.0.0.1:0"]
    timeouts: {handshake: 500ms}
    sni: {app.example.org: app}
    ${upstream}
`;
}

function nginxStream({ app, rest }: { app: Sink; rest: Sink }): string {
  return `map $ssl_preread_server_name $to {
    hostnames;
    app.example.org ${app.address};
    default ${rest.address};
  }
  server {
    listen 127.0.0.1:PORT;
    ssl_preread on;
    preread_timeout 500ms;
    proxy_pass $to;
  }`;
}

function haproxySections({ app, rest }: { app: Sink; rest: Sink }): string {
  return `frontend front
  bind 127.0.0.1:PORT
  tcp-request inspect-delay 500ms
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend app if { req.ssl_sni -i app.example.org }
  default_backend rest
backend app
  server app ${app.address}
backend rest
  server rest ${rest.address}`;
}

testWith(
  TOOLS,
  "what names nothing to route by goes to upstream, as with nginx and HAProxy",
  async () => {
    using sinks = startSinks();
    await using culvert = await startCulvert(culvertConfig(sinks));
    await using nginx = await startNginxStream(nginxStream(sinks));
    await using haproxy = await startHaproxy(haproxySections(sinks));
    const ports = { culvert: culvert.port("by-name"), nginx: nginx.port, haproxy: haproxy.port };

    for (const { what, bytes, ...wanted } of TABLE) {
      sinks.app.expected = sinks.rest.expected = bytes.length;
      for (const [proxy, port] of Object.entries(ports) as [keyof typeof ports, number][]) {
        assertEquals(await destination(port, bytes), wanted[proxy] ?? wanted.culvert, `${what}, by ${proxy}`);
      }
    }
    await culvert.finish();
  },
);

testWith(TOOLS, "a client that says nothing is closed, as with nginx", async () => {
  using sinks = startSinks();
  await using culvert = await startCulvert(culvertConfig(sinks));
  await using nginx = await startNginxStream(nginxStream(sinks));
  await using haproxy = await startHaproxy(haproxySections(sinks));
  const ports = [culvert.port("by-name"), nginx.port, haproxy.port];
  const silent = await Promise.all(ports.map((port) => destination(port, new Uint8Array(0))));
  // HAProxy sends it on after its inspect-delay.
  assertEquals(silent, ["none", "none", "rest"]);
  await culvert.waitFor({ message: "connection closed", service: "by-name", reason: "handshake" });
  await culvert.finish();
});

Deno.test("without upstream each is refused, with its own reason", async () => {
  using sinks = startSinks();
  await using culvert = await startCulvert(culvertConfig(sinks, ""));
  const reasons: readonly (readonly [bytes: Uint8Array, error: string])[] = [
    [named("127.0.0.1"), 'the server name "127.0.0.1" is an IP address'],
    [named("app.example.org:443"), 'the server name "app.example.org:443" is no host name'],
    [named("b.example.org", "app.example.org"), "there is more than one server name"],
    [joined("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "the stream is no TLS, but looks like text"],
    [sslv2Hello(), "the stream is no TLS that is known today (an SSLv2 hello?)"],
  ];
  for (const [index, [bytes, error]] of reasons.entries()) {
    assertEquals(await destination(culvert.port("by-name"), bytes), "none");
    const line = await culvert.waitFor(
      { message: "connection refused", reason: "refused-by-name" },
      index + 1,
    );
    assertStringIncludes(String(line.error), error);
  }
  await culvert.finish();
});
