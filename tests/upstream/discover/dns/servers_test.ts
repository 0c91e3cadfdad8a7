import { assert, assertEquals } from "@std/assert";
import { formatAddress, parseAddress } from "../../../../src/net/address.ts";
import { Discovery } from "../../../../src/upstream/discover/discovery.ts";
import { dnsSource, type DnsSourceOptions } from "../../../../src/upstream/discover/dns/source.ts";
import { DNSMASQ, type DnsServer, KNOT, startDnsmasq, startKnot } from "../../../support/dns_server.ts";
import { testWith } from "../../../support/installed.ts";
import { RecordingLog } from "../../../support/recording_log.ts";
import { until } from "../../../support/wait.ts";

/** What is discovered at a server, by one source for each of the options. */
class Discovered implements AsyncDisposable {
  readonly log = new RecordingLog();
  readonly discovery: Discovery;

  constructor(server: DnsServer, sources: readonly DnsSourceOptions[]) {
    this.discovery = new Discovery({
      sources: sources.map((options) => ({
        name: `dns ${options.name} ${options.type}`,
        source: dnsSource({
          timeoutMs: 5_000,
          server: parseAddress(server.address),
          intervalMs: 60_000,
          ...options,
        }),
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

testWith(
  DNSMASQ,
  "the set follows the names of a dnsmasq, which tells when to ask again",
  async () => {
    await using server = await startDnsmasq(
      "10.0.0.1 db.internal\n10.0.0.2 db.internal\nfd00::1 db.internal\n",
    );
    await using db = new Discovered(server, [
      { name: "db.internal", type: "A", port: 5432 },
      { name: "db.internal", type: "AAAA", port: 5432 },
    ]);
    await db.becomes("10.0.0.1:5432", "10.0.0.2:5432", "[fd00::1]:5432");
    await server.write("10.0.0.2 db.internal\n10.0.0.3 db.internal\n");
    await db.becomes("10.0.0.2:5432", "10.0.0.3:5432");
    assertEquals(db.states, ["good", "good"]);
    await server.write(
      Array.from({ length: 500 }, (_, i) => `10.1.${i >> 8}.${i & 255} db.internal\n`).join(""),
    );
    await until(() => db.set.length === 500, { what: "500 backends" });
  },
);

testWith(
  DNSMASQ,
  "while a dnsmasq is away the last set goes on, and it is good again with it",
  async () => {
    await using server = await startDnsmasq("10.0.0.1 db.internal\n");
    await using db = new Discovered(server, [{ name: "db.internal", type: "A", port: 5432 }]);
    await db.becomes("10.0.0.1:5432");
    await server.stop();
    await until(() => db.states[0] === "failing", { what: "the failure" });
    const [status] = db.discovery.status;
    assert(
      status!.error!.startsWith(`Cannot resolve "db.internal" (A) at ${server.address}: over TCP`),
    );
    assertEquals([db.set, status!.size], [["10.0.0.1:5432"], 1]);
    await server.write("10.0.0.9 db.internal\n");
    await server.start();
    await db.becomes("10.0.0.9:5432");
    assertEquals(db.states, ["good"]);
    const told = db.log.messages.filter((message) => message !== "backends changed");
    assertEquals(told, ["discovery failed, keeping the last set", "discovery recovered"]);
  },
);

testWith(
  KNOT,
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
    await using db = new Discovered(server, [{ name: "_db._tcp.internal", type: "SRV" }]);
    await db.becomes("10.0.0.1:5432 x3", "[fd00::2]:5433", "10.0.0.3:5432 backup");
    await server.write(
      "_db._tcp CNAME other\nother SRV 20 1 5432 c\nother SRV 30 1 1 .\nc A 10.0.0.3\nc A 10.0.0.4\n",
    );
    await db.becomes("10.0.0.3:5432", "10.0.0.4:5432");
  },
);

testWith(
  KNOT,
  "a name that a Knot DNS does not have is an empty set, one it won't tell of a failure",
  async () => {
    await using server = await startKnot("db A 10.0.0.1\n");
    await using db = new Discovered(server, [
      { name: "db.internal", type: "A", port: 1 },
      { name: "db.elsewhere", type: "A", port: 1 },
    ]);
    await db.discovery.ready;
    assertEquals(db.states, ["good", "failing"]);
    assert(db.discovery.status[1]!.error!.endsWith("the server answered REFUSED"));
    await db.becomes("10.0.0.1:1");
    await server.write("db TXT gone\n");
    await db.becomes();
    await server.write("db A 10.0.0.2\n");
    await db.becomes("10.0.0.2:1"); // The zone tells for how long there is nothing.
    assertEquals(db.states[0], "good");
  },
);
