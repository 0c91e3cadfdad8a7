import { assertEquals, assertThrows } from "@std/assert";
import { formatAddress } from "../../../../src/net/address.ts";
import { Discovery } from "../../../../src/upstream/discover/discovery.ts";
import type { DnsAnswer, Resolve } from "../../../../src/upstream/discover/dns/resolve.ts";
import { dnsSource, type DnsSourceOptions } from "../../../../src/upstream/discover/dns/source.ts";
import { DiscoveryError } from "../../../../src/upstream/discover/errors.ts";
import { FakeClock } from "../../../core/fake_clock.ts";
import { settle } from "../../../support/settle.ts";
import { FakeDnsServer } from "./fixture.ts";

/** A source in fake time whose answers the test writes. */
class Scripted implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly sets: string[] = [];
  readonly asked: string[] = [];
  answers: Record<string, DnsAnswer | Error> = {};
  readonly discovery: Discovery;

  constructor(options: Partial<DnsSourceOptions>) {
    const resolve: Resolve = ({ name, type }) => {
      this.asked.push(`${name} ${type}`);
      const answer = this.answers[`${name} ${type}`] ?? { records: [], additional: [] };
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    };
    const source = dnsSource({ name: "db", type: "A", port: 80, resolve, clock: this.clock, ...options });
    this.discovery = new Discovery({
      sources: [{ name: "dns db", source }],
      onSet: (set) => void this.sets.push(set.map(({ address }) => formatAddress(address)).join(" ")),
      clock: this.clock,
      random: () => 0.5,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close();
    assertEquals(this.clock.pending, 0);
  }
}

function addresses(list: string, ttlMs?: number): DnsAnswer {
  const records = list.split(" ").map((address) => ({ name: "db", ttlS: 1, type: "A", address } as const));
  return { records, additional: [], ...(ttlMs === undefined ? {} : { ttlMs }) };
}

/** Moves on in steps, and says at which times it was asked. */
async function timesAsked(
  scripted: Scripted,
  { ms, stepMs }: { ms: number; stepMs: number },
): Promise<number[]> {
  const times: number[] = [];
  scripted.discovery.start();
  await settle();
  for (let at = 0, count = 0; at <= ms; at += stepMs) {
    if (scripted.asked.length > count) times.push(at);
    count = scripted.asked.length;
    await scripted.clock.advanceAsync(stepMs);
  }
  return times;
}

Deno.test("it asks every interval, and the order of an answer does not matter", async () => {
  await using scripted = new Scripted({});
  scripted.answers["db A"] = addresses("10.0.0.1 10.0.0.2");
  assertEquals(await timesAsked(scripted, { ms: 15_000, stepMs: 1_000 }), [0, 10_000]);
  scripted.answers["db A"] = addresses("10.0.0.2 10.0.0.1");
  await scripted.clock.advanceAsync(10_000);
  scripted.answers["db A"] = addresses("10.0.0.2 10.0.0.3");
  await scripted.clock.advanceAsync(10_000);
  assertEquals(scripted.sets, ["10.0.0.1:80 10.0.0.2:80", "10.0.0.2:80 10.0.0.3:80"]);
});

Deno.test("it asks sooner when the answer holds for less, but not more often than every second", async () => {
  const times = async (ttlMs: number | undefined, intervalMs = 10_000) => {
    await using scripted = new Scripted({ intervalMs });
    scripted.answers["db A"] = addresses("10.0.0.1", ttlMs);
    return await timesAsked(scripted, { ms: 10_000, stepMs: 500 });
  };
  assertEquals(await times(4_000), [0, 4_000, 8_000]);
  assertEquals(await times(60_000), [0, 10_000]);
  assertEquals((await times(0)).slice(0, 3), [0, 1_000, 2_000]);
  assertEquals((await times(0, 500)).slice(0, 3), [0, 500, 1_000]);
});

Deno.test("a failure keeps the set, and an empty answer empties it", async () => {
  await using scripted = new Scripted({});
  const { clock, discovery, sets } = scripted;
  scripted.answers["db A"] = addresses("10.0.0.1");
  discovery.start();
  await settle();
  scripted.answers["db A"] = new Error("SERVFAIL");
  await clock.advanceAsync(10_000);
  assertEquals([sets.length, discovery.status[0]!.state, discovery.status[0]!.error], [
    1,
    "failing",
    "SERVFAIL",
  ]);
  scripted.answers = {};
  await clock.advanceAsync(1_000);
  assertEquals([sets, discovery.status[0]!.state], [["10.0.0.1:80", ""], "good"]);
});

Deno.test("the targets of SRV records are taken from the answer, else looked up as complete names", async () => {
  const srv = { name: "db", ttlS: 60, type: "SRV", priority: 1, weight: 1 } as const;
  await using scripted = new Scripted({ name: "db", type: "SRV", port: undefined });
  scripted.answers["db SRV"] = {
    records: [
      { ...srv, port: 1, target: "a.internal" },
      { ...srv, port: 2, target: "b.internal" },
      { ...srv, port: 3, target: "b.internal" },
      { ...srv, port: 4, target: "" },
      { ...srv, port: 5, target: "gone.internal" },
      { ...srv, port: 0, target: "nowhere.internal" }, // Not looked up, and not the end of the others.
    ],
    additional: [{ name: "a.internal", ttlS: 60, type: "A", address: "10.0.0.1" }],
    ttlMs: 60_000,
  };
  scripted.answers["b.internal. A"] = addresses("10.0.0.2", 3_000);
  scripted.answers["b.internal. AAAA"] = {
    records: [{ name: "b.internal", ttlS: 60, type: "AAAA", address: "fd00::2" }],
    additional: [],
  };
  scripted.discovery.start();
  await settle();
  assertEquals(scripted.sets, ["10.0.0.1:1 10.0.0.2:2 10.0.0.2:3 [fd00::2]:2 [fd00::2]:3"]);
  assertEquals(scripted.asked.toSorted(), [
    "b.internal. A",
    "b.internal. AAAA",
    "db SRV",
    "gone.internal. A",
    "gone.internal. AAAA",
  ]);
  await scripted.clock.advanceAsync(3_000); // The smallest time to live of all.
  assertEquals(scripted.asked.length, 10);
});

Deno.test("a target that can't be looked up fails the whole answer", async () => {
  const record = { name: "db", ttlS: 60, type: "SRV", priority: 1, weight: 1, port: 1 } as const;
  await using scripted = new Scripted({ type: "SRV" });
  const records = Array.from({ length: 100 }, (_, i) => ({ ...record, target: `t${i}` }));
  scripted.answers["db SRV"] = { records, additional: [] };
  scripted.answers["t95. A"] = new Error("SERVFAIL");
  scripted.discovery.start();
  await settle();
  assertEquals([scripted.discovery.status[0]!.error, scripted.sets], ["SERVFAIL", []]);
});

Deno.test("addresses need a port", () => {
  const error = assertThrows(
    () => dnsSource({ name: "db", type: "AAAA" }),
    DiscoveryError,
    "AAAA needs a port",
  );
  assertEquals(error.code, "bad_source");
});

Deno.test("closing while a server is waited for ends the query", async () => {
  await using server = new FakeDnsServer(() => "silence");
  const source = dnsSource({ name: "db", type: "A", port: 80, server: server.address });
  const discovery = new Discovery({ sources: [{ name: "dns db", source }], onSet() {} });
  discovery.start();
  while (server.asked.length === 0) await settle();
  await discovery.close();
  assertEquals(discovery.status[0]!.state, "waiting");
  await settle();
});
