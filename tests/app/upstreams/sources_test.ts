import { assertEquals, assertStringIncludes } from "@std/assert";
import { makeSources } from "../../../src/app/upstreams/sources.ts";
import type { DiscoverConfig } from "../../../src/config/config.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { formatAddress } from "../../../src/net/address.ts";
import { silentLog } from "../../../src/core/log.ts";
import { Discovery } from "../../../src/upstream/discover/discovery.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { until } from "../../support/wait.ts";
import { FakeDnsServer } from "../../upstream/discover/dns/fixture.ts";
import { FakeEtcd } from "../../upstream/discover/etcd/fake.ts";
import { PREFIX } from "../../upstream/discover/etcd/fixture.ts";

/** A discovery with the sources of a configuration, over real files and servers. */
class Sources implements AsyncDisposable {
  readonly log = new RecordingLog();
  readonly discovery: Discovery;

  constructor(discover: Omit<DiscoverConfig, "keepOnEmpty">) {
    const { log } = this;
    const sources = makeSources({ ...discover, keepOnEmpty: false }, { clock: systemClock, log });
    this.discovery = new Discovery({ sources, log, onSet: () => {} });
    this.discovery.start();
  }

  /** The set, as addresses. */
  get set(): string[] {
    return this.discovery.backends.map(({ address }) => formatAddress(address));
  }

  async is(...addresses: string[]): Promise<void> {
    await until(() => this.set.join() === addresses.join(), {
      what: addresses.join(" "),
      context: () => `${this.set} ${JSON.stringify(this.discovery.status)}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close();
  }
}

function names(discover: Omit<DiscoverConfig, "keepOnEmpty">): string[] {
  const parts = { clock: systemClock, log: new RecordingLog() };
  return makeSources({ ...discover, keepOnEmpty: false }, parts).map(({ name }) => name);
}

Deno.test("each kind of source is there that is configured, under a name that says what is asked", () => {
  const dns = { name: "db.internal", type: "SRV", intervalMs: 1000 } as const;
  const server = { kind: "tcp", host: "10.0.0.53", port: 53 } as const;
  const etcd = { endpoints: ["http://e:1"], prefix: "/db/" };
  assertEquals(names({}), []);
  assertEquals(names({ dns }), ["dns SRV db.internal"]);
  const all = names({ dns: { ...dns, server }, filePath: "/etc/db.yaml", etcd });
  assertEquals(all, ["dns SRV db.internal at 10.0.0.53:53", "file /etc/db.yaml", "etcd /db/"]);
  assertEquals(names({ dns, filePath: "/etc/db.yaml", within: ["10.0.0.0/8"] }), [
    "dns SRV db.internal",
    "file /etc/db.yaml",
  ]);
});

Deno.test("after failures DNS is asked at least once in three intervals, and in 30 seconds", () => {
  const retries = [250, 1_000, 10_000, 3_600_000].map((intervalMs) => {
    const dns = { name: "db.internal", type: "A", port: 5432, intervalMs } as const;
    return makeSources({ dns, keepOnEmpty: false }, { clock: systemClock, log: silentLog })[0]!.retryMaxMs;
  });
  assertEquals(retries, [750, 3_000, 30_000, 30_000]);
});

Deno.test("a file is followed, and its unix sockets are relative to its folder", async () => {
  await using files = new TlsFiles();
  const filePath = files.put("db.yaml", "- 10.0.0.1:1\n- {address: 'unix:a.sock', weight: 3}\n");
  await using sources = new Sources({ filePath });
  const socket = `unix:${files.folder.path}/a.sock`;
  await sources.is("10.0.0.1:1", socket);
  assertEquals(sources.discovery.backends.map(({ weight }) => weight), [1, 3]);
  files.put("db.yaml", "- 10.0.0.2:1\n");
  await sources.is("10.0.0.2:1");
  files.put("db.yaml", "- 10.0.0.2:none\n");
  await until(() => sources.discovery.status[0]!.state === "failing", { what: "the failure" });
  const { error } = sources.discovery.status[0]!;
  assertStringIncludes(error!, `${filePath}:1: [0]`); // The file and the line.
  assertEquals(sources.set, ["10.0.0.2:1"]);
});

Deno.test("DNS is asked where the configuration says, for what it says", async () => {
  await using server = new FakeDnsServer(() => ({ answers: ["db.test 60 A 10.0.0.7"] }));
  const dns = { name: "db.test", type: "A", port: 5432, intervalMs: 60_000, server: server.address } as const;
  await using sources = new Sources({ dns });
  await sources.is("10.0.0.7:5432");
  assertEquals(server.asked, ["tcp db.test A"]);
});

Deno.test("etcd's values are backends, and the password is what its file holds but for the last line break", async () => {
  await using files = new TlsFiles();
  await using etcd = new FakeEtcd();
  etcd.answer = (path) => path === "/v3/auth/authenticate" ? Response.json({ token: "t" }) : undefined;
  etcd.put("a", '"10.0.0.1:1"');
  etcd.put("b", '{"address": "10.0.0.2:1", "weight": 9}');
  const passwordPath = files.put("password", "se cret \n");
  await using sources = new Sources({
    etcd: { endpoints: [etcd.url], prefix: PREFIX, user: "culvert", passwordPath },
  });
  await sources.is("10.0.0.1:1", "10.0.0.2:1");
  assertEquals(sources.discovery.backends.map(({ weight }) => weight), [1, 9]);
  const login = etcd.asked.find(({ path }) => path === "/v3/auth/authenticate");
  assertEquals(login?.body, { name: "culvert", password: "se cret " });
});

Deno.test("what is not within bounds is left out of every source", async () => {
  await using files = new TlsFiles();
  const filePath = files.put("db.yaml", "- 10.0.0.1:1\n- 192.168.0.1:1\n- db.internal:1\n");
  await using sources = new Sources({ filePath, within: ["10.0.0.0/8"] });
  await sources.is("10.0.0.1:1");
  const left = sources.log.lines.filter(({ level }) => level === "warn").map(({ fields }) => fields.backend);
  assertEquals(left, ["192.168.0.1:1", "db.internal:1"]);
});
