import { assertEquals } from "@std/assert";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { formatProxyV2 } from "../../src/net/proxy_protocol/format_v2.ts";
import type { AdmissionOptions } from "../../src/service/options.ts";
import { settle } from "../support/settle.ts";
import { type Caller, ServiceFixture } from "./service_fixture.ts";

const HEADER = formatProxyV2({
  source: { ip: "192.0.2.1", port: 1 },
  destination: { ip: "192.0.2.2", port: 2 },
});

/** A service that waits for a ClientHello. */
function serviceOf(admission: Partial<AdmissionOptions>): ServiceFixture {
  return new ServiceFixture({ names: { "a.example": "db" }, admission });
}

/** Whether it has not resolved yet. */
async function isPending(promise: Promise<void>): Promise<boolean> {
  let pending = true;
  void promise.then(() => pending = false);
  await settle();
  return pending;
}

/** The clients leave without having said anything. */
async function leave(...callers: Caller[]): Promise<void> {
  for (const { end, served } of callers) {
    end.close();
    await served;
  }
}

for (
  const [bound, reason] of [
    ["maxHandshakes", "refused-by-handshakes"],
    ["maxConnections", "refused-by-limit"],
  ] as const
) {
  Deno.test(`at ${bound} each client that comes takes the place of a handshake, the oldest beyond the grace`, async () => {
    const fixture = serviceOf({ [bound]: 2, handshakeGraceMs: 250 });
    const [first, second] = [fixture.call("10.0.0.1"), fixture.call("10.0.0.2")];
    fixture.clock.advance(250);
    const third = fixture.call("10.0.0.3");
    await first.served;
    assertEquals(await first.end.receive(), null);
    const fourth = fixture.call("10.0.0.4");
    await second.served;
    assertEquals(fixture.reasons, [reason, reason]);
    assertEquals(fixture.lines.map(({ fields }) => fields.duration_ms), [250, 250]);
    const fifth = fixture.call("10.0.0.5"); // Neither of the two is beyond the grace: one of them all the same.
    await Promise.race([third.served, fourth.served]);
    const { handshakes, active, rejected, total } = fixture.service.counters;
    assertEquals([handshakes, active, rejected, total], [2, 2, 3, 5]);
    await leave(third, fourth, fifth);
    await fixture.end();
  });
}

Deno.test("within the grace a source that has the most already is refused one more", async () => {
  const fixture = serviceOf({ maxHandshakes: 2 });
  const [first, second] = [fixture.call("10.0.0.1"), fixture.call("10.0.0.2")];
  await fixture.call("10.0.0.1").served;
  assertEquals(fixture.reasons, ["refused-by-handshakes"]);
  assertEquals([await isPending(first.served), await isPending(second.served)], [true, true]);
  await leave(first, second);
  await fixture.end();
});

Deno.test("a client that is refused by a rule evicts no handshake", async () => {
  const fixture = serviceOf({
    maxHandshakes: 1,
    deny: parseAddressSet(["10.0.0.9"]),
    rate: { connections: 1, perMs: 1_000_000, burst: 1 },
  });
  const first = fixture.call("10.0.0.1");
  fixture.clock.advance(5000);
  await fixture.call("10.0.0.9").served;
  await fixture.call("10.0.0.1").served;
  assertEquals([fixture.reasons, fixture.service.counters.handshakes], [
    ["refused-by-deny", "refused-by-rate"],
    1,
  ]);
  const other = fixture.call("10.0.0.2");
  await first.served;
  assertEquals(fixture.reasons.at(-1), "refused-by-handshakes");
  await leave(other);
  await fixture.end();
});

Deno.test("the source with the most handshakes loses one to others, and never takes one from them", async () => {
  const fixture = serviceOf({ maxHandshakes: 4 });
  const crowd = Array.from({ length: 3 }, () => fixture.call("10.0.0.1"));
  const single = fixture.call("10.0.0.2");
  await fixture.call("10.0.0.1").served;
  const third = fixture.call("10.0.0.3");
  await settle();
  const live = await Promise.all([...crowd, single, third].map(({ served }) => isPending(served)));
  assertEquals(live.slice(-2), [true, true]);
  assertEquals(live.filter((pending) => pending).length, 4);
  assertEquals(fixture.reasons, ["refused-by-handshakes", "refused-by-handshakes"]);
  await leave(...crowd, single, third);
  await fixture.end();
});

Deno.test("the addresses of one IPv6 /64 are one source, IPv4-mapped ones are IPv4", async () => {
  const fixture = serviceOf({ maxHandshakes: 4 });
  const crowd = ["2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:0:8000::"].map((ip) => fixture.call(ip));
  const others = [fixture.call("2001:db8:0:1::1"), fixture.call("::ffff:10.0.0.1"), fixture.call("10.0.0.2")];
  await settle();
  const left = await Promise.all(crowd.map(({ served }) => isPending(served)));
  assertEquals(left.filter((pending) => pending).length, 1);
  assertEquals(await Promise.all(others.map(({ served }) => isPending(served))), [true, true, true]);
  await leave(...crowd, ...others);
  await fixture.end();
});

Deno.test("clients that finish slowly from as many sources as there are places keep no other client out", async () => {
  const fixture = new ServiceFixture({ trusted: ["10.0.0.0/8"], admission: { maxHandshakes: 10 } });
  const slow = Array.from(
    { length: 10 },
    (_, i) => ({ ip: `10.1.7.${i}`, caller: fixture.call(`10.1.7.${i}`) }),
  );
  let served = 0;
  for (let round = 0; round < 100; round++) {
    fixture.clock.advance(300);
    const honest = fixture.call("10.0.0.1");
    await honest.end.send(HEADER);
    const server = await fixture.answer();
    await honest.end.closeWrite();
    await server.closeWrite();
    await honest.served;
    served += fixture.reasons.at(-1) === "client-closed" ? 1 : 0;
    const [oldest] = slow.splice(0, 1);
    // Slow handshakes complete if they have not been evicted, and are then repeated.
    if (await isPending(oldest!.caller.served)) {
      await oldest!.caller.end.send(HEADER);
      const backend = await fixture.answer();
      await oldest!.caller.end.closeWrite();
      await backend.closeWrite();
      await oldest!.caller.served;
    }
    slow.push({ ip: oldest!.ip, caller: fixture.call(oldest!.ip) });
  }
  assertEquals(served, 100);
  await leave(...slow.map(({ caller }) => caller));
  await fixture.end();
});

Deno.test("a client that a PROXY header names is the source from then on", async () => {
  const fixture = new ServiceFixture({
    trusted: ["10.0.0.0/8"],
    names: { "a.example": "db" },
    admission: { maxHandshakes: 3 },
  });
  const named = async (ip: string) => {
    const caller = fixture.call("10.0.0.1");
    const source = { ip, port: 1 };
    await caller.end.send(formatProxyV2({ source, destination: { ip: "2001:db8:1::", port: 2 } }));
    await settle();
    return caller;
  };
  const crowd = [await named("2001:db8::1"), await named("2001:db8::2")];
  const single = await named("2001:db8:9::1");
  const next = await named("2001:db8:8::1");
  assertEquals(await isPending(single.served), true);
  assertEquals(fixture.reasons, ["refused-by-handshakes"]);
  await leave(...crowd, single, next);
  await fixture.end();
});

Deno.test("an established connection is not evicted", async () => {
  const fixture = new ServiceFixture({ trusted: ["10.0.0.0/8"], admission: { maxConnections: 1 } });
  const first = fixture.call();
  await first.end.send(
    HEADER,
  );
  const server = await fixture.answer();
  fixture.clock.advance(5000);
  await fixture.call().served;
  assertEquals(fixture.reasons, ["refused-by-limit"]);
  await first.end.send("still here");
  assertEquals(await server.receive(), "still here");
  await first.end.closeWrite();
  await server.closeWrite();
  await first.served;
  await fixture.end();
});

Deno.test("clients of a unix socket are one source, and the oldest beyond the grace yields", async () => {
  const fixture = serviceOf({ maxHandshakes: 2, handshakeGraceMs: 250 });
  const [first, second] = [fixture.call("unix"), fixture.call("unix")];
  await fixture.call("unix").served;
  assertEquals([await isPending(first.served), await isPending(second.served)], [true, true]);
  fixture.clock.advance(250);
  const third = fixture.call("unix");
  await first.served;
  const other = fixture.call("10.0.0.1"); // A listener of the same service on TCP.
  await second.served;
  assertEquals(fixture.reasons, ["refused-by-handshakes", "refused-by-handshakes", "refused-by-handshakes"]);
  await leave(third, other);
  await fixture.end();
});
