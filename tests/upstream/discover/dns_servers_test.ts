import { assert, assertEquals } from "@std/assert";
import { type Address, formatAddress } from "../../../src/net/address.ts";
import { Discovery } from "../../../src/upstream/discover/discovery.ts";
import { dnsSource, type DnsSourceOptions } from "../../../src/upstream/discover/dns_source.ts";
import { Child, output } from "../../support/child.ts";
import { freePort, TemporaryFolder } from "../../support/folder.ts";
import { findProgram, testWith } from "../../support/installed.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { until } from "../../support/wait.ts";

/** A real DNS server of this machine, which can be stopped and started, with a zone that can be changed. */
class RealServer implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  readonly port = freePort();
  readonly address: Address = { kind: "tcp", host: "127.0.0.1", port: this.port };
  readonly #program: string;
  readonly #args: readonly string[];
  #child: Child | undefined;

  constructor(program: string, args: (folder: TemporaryFolder, port: number) => readonly string[]) {
    this.#program = findProgram(program)!;
    this.#args = args(this.folder, this.port);
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const child = new Child({ program: this.#program, args: this.#args });
    this.#child = child;
    const ask = [
      "@127.0.0.1",
      "-p",
      String(this.port),
      "+tries=1",
      "+time=1",
      "+short",
      "probe.internal",
      "A",
    ];
    await until(async () => {
      if (!child.running) throw new Error(`the server ended:\n${child.stdout}${child.stderr}`);
      return (await output("dig", ask).catch(() => "")).includes("10.9.9.9");
    }, { what: "the server to answer", context: () => child.stdout + child.stderr });
  }

  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(this.folder.file(name), text);
    this.#child?.signal("SIGHUP");
  }

  async stop(): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]();
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** What is discovered at a server, by one source for each of the options. */
class Discovered implements AsyncDisposable {
  readonly log = new RecordingLog();
  readonly discovery: Discovery;

  constructor(server: Address, sources: readonly DnsSourceOptions[]) {
    this.discovery = new Discovery({
      sources: sources.map((options) => ({
        name: `dns ${options.name} ${options.type}`,
        source: dnsSource({ timeoutMs: 400, server, intervalMs: 60_000, ...options }),
      })),
      onSet() {},
      log: this.log,
    });
    this.discovery.start();
  }

  get set(): string[] {
    return this.discovery.backends.map(({ address, weight, backup }) =>
      `${formatAddress(address)}${weight === 1 ? "" : ` x${weight}`}${backup ? " backup" : ""}`
    );
  }

  get states(): string[] {
    return this.discovery.status.map(({ state }) => state);
  }

  async becomes(...set: string[]): Promise<void> {
    await until(() => String(this.set) === String(set), {
      what: `the set ${set}`,
      context: () => `${this.set}\n${JSON.stringify(this.discovery.status, null, 2)}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close();
  }
}

/** dnsmasq, whose names come from a file like `/etc/hosts`, with a time to live of a second. */
async function startDnsmasq(hosts: string): Promise<RealServer> {
  const server = new RealServer("dnsmasq", (folder, port) => [
    "--no-daemon",
    "--conf-file=/dev/null",
    "--no-resolv",
    "--no-hosts",
    "--bind-interfaces",
    "--listen-address=127.0.0.1",
    `--port=${port}`,
    `--addn-hosts=${folder.file("hosts")}`,
    "--local=/internal/",
    "--host-record=probe.internal,10.9.9.9",
    "--local-ttl=1",
  ]);
  await server.write("hosts", hosts);
  await server.start();
  return server;
}

testWith(
  ["dnsmasq", "dig"],
  "the set follows the names of a dnsmasq, which tells when to ask again",
  async () => {
    await using server = await startDnsmasq(
      "10.0.0.1 db.internal\n10.0.0.2 db.internal\nfd00::1 db.internal\n",
    );
    await using db = new Discovered(server.address, [
      { name: "db.internal", type: "A", port: 5432 },
      { name: "db.internal", type: "AAAA", port: 5432 },
    ]);
    await db.becomes("10.0.0.1:5432", "10.0.0.2:5432", "[fd00::1]:5432");
    await server.write("hosts", "10.0.0.2 db.internal\n10.0.0.3 db.internal\n");
    await db.becomes("10.0.0.2:5432", "10.0.0.3:5432");
    assertEquals(db.states, ["good", "good"]);
    await server.write(
      "hosts",
      Array.from({ length: 500 }, (_, i) => `10.1.${i >> 8}.${i & 255} db.internal\n`).join(""),
    );
    await until(() => db.set.length === 500, { what: "500 backends" });
  },
);

testWith(
  ["dnsmasq", "dig"],
  "while a dnsmasq is away the last set goes on, and it is good again with it",
  async () => {
    await using server = await startDnsmasq("10.0.0.1 db.internal\n");
    await using db = new Discovered(server.address, [{ name: "db.internal", type: "A", port: 5432 }]);
    await db.becomes("10.0.0.1:5432");
    await server.stop();
    await until(() => db.states[0] === "failing", { what: "the failure" });
    const [status] = db.discovery.status;
    assert(
      status!.error!.startsWith(`Cannot resolve "db.internal" (A) at 127.0.0.1:${server.port}: over TCP`),
    );
    assertEquals([db.set, status!.size], [["10.0.0.1:5432"], 1]);
    await server.write("hosts", "10.0.0.9 db.internal\n");
    await server.start();
    await db.becomes("10.0.0.9:5432");
    assertEquals(db.states, ["good"]);
    const told = db.log.messages.filter((message) => message !== "backends changed");
    assertEquals(told, ["discovery fails, the last set stays", "discovery is good again"]);
  },
);

/** A zone for Knot DNS; each change needs a greater serial number. */
const zone = (serial: number, records: string) => `
$ORIGIN internal.
$TTL 1
@ SOA ns.internal. admin.internal. ${serial} 3600 600 86400 1
@ NS ns.internal.
ns A 127.0.0.1
probe A 10.9.9.9
${records}
`;

async function startKnot(records: string): Promise<RealServer> {
  const server = new RealServer("knotd", (folder) => ["-c", folder.file("knot.conf")]);
  const { folder, port } = server;
  await server.write("internal.zone", zone(1, records));
  await server.write(
    "knot.conf",
    `server:
  rundir: "${folder.path}"
  listen: 127.0.0.1@${port}
log:
  - target: stderr
    any: info
database:
  storage: "${folder.path}"
zone:
  - domain: internal
    storage: "${folder.path}"
    file: internal.zone
    journal-content: none
`,
  );
  await server.start();
  return server;
}

testWith(
  ["knotd", "dig"],
  "the set follows SRV records of a Knot DNS: ports, priorities, weights, aliases",
  async () => {
    await using server = await startKnot(`
_db._tcp SRV 10 3 5432 a
_db._tcp SRV 10 1 5433 b
_db._tcp SRV 20 1 5432 c
a A 10.0.0.1
b AAAA fd00::2
c A 10.0.0.3
`);
    await using db = new Discovered(server.address, [{ name: "_db._tcp.internal", type: "SRV" }]);
    await db.becomes("10.0.0.1:5432 x3", "[fd00::2]:5433", "10.0.0.3:5432 backup");
    await server.write(
      "internal.zone",
      zone(
        2,
        "_db._tcp CNAME other\nother SRV 20 1 5432 c\nother SRV 30 1 1 .\nc A 10.0.0.3\nc A 10.0.0.4\n",
      ),
    );
    await db.becomes("10.0.0.3:5432", "10.0.0.4:5432");
  },
);

testWith(
  ["knotd", "dig"],
  "a name that a Knot DNS does not have is an empty set, one it won't tell of a failure",
  async () => {
    await using server = await startKnot("db A 10.0.0.1\n");
    await using db = new Discovered(server.address, [
      { name: "db.internal", type: "A", port: 1 },
      { name: "db.elsewhere", type: "A", port: 1 },
    ]);
    await db.discovery.ready;
    assertEquals(db.states, ["good", "failing"]);
    assert(db.discovery.status[1]!.error!.endsWith("the server answered REFUSED"));
    await db.becomes("10.0.0.1:1");
    await server.write("internal.zone", zone(2, "db TXT gone\n"));
    await db.becomes();
    await server.write("internal.zone", zone(3, "db A 10.0.0.2\n"));
    await db.becomes("10.0.0.2:1"); // The zone tells for how long there is nothing.
    assertEquals(db.states[0], "good");
  },
);
