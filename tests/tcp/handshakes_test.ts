import { assertEquals } from "@std/assert";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { formatProxyV2 } from "../../src/net/format_proxy_v2.ts";
import type { AdmissionOptions } from "../../src/tcp/options.ts";
import { type HandshakePlace, Handshakes } from "../../src/tcp/handshakes.ts";
import { numbers } from "../support/random.ts";
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

/** The clients leave without having said anything. */
async function leave(...callers: Caller[]): Promise<void> {
  for (const { end, served } of callers) {
    end.close();
    await served;
  }
}

for (
  const [bound, reason] of [["maxHandshakes", "refused-by-handshakes"], [
    "maxConnections",
    "refused-by-limit",
  ]]
) {
  Deno.test(`at ${bound} a client that has had its time yields to one that comes, the oldest first`, async () => {
    const fixture = serviceOf({ [bound as string]: 2 });
    const [first, second] = [fixture.call(), fixture.call()];
    fixture.clock.advance(249);
    await fixture.call().served;
    assertEquals([fixture.reasons, fixture.service.stats.handshakes], [[reason], 2]);

    fixture.clock.advance(1);
    const third = fixture.call();
    await first.served;
    assertEquals(await first.end.receive(), null);
    const fourth = fixture.call();
    await second.served;
    assertEquals(fixture.reasons, [reason, reason, reason]);
    assertEquals(fixture.lines.slice(1).map(({ fields }) => fields.duration_ms), [250, 250]);
    await fixture.call().served; // These two have time yet.
    const { handshakes, active, rejected, total } = fixture.service.stats;
    assertEquals([handshakes, active, rejected, total], [2, 2, 4, 4]);
    await leave(third, fourth);
    await fixture.end();
  });
}

Deno.test("who is refused by a rule sends nobody away", async () => {
  const fixture = serviceOf({
    maxHandshakes: 1,
    deny: parseAddressSet(["10.0.0.9"]),
    rate: { connections: 1, perMs: 1_000_000, burst: 1 },
  });
  const first = fixture.call("10.0.0.1");
  fixture.clock.advance(5000);
  await fixture.call("10.0.0.9").served;
  await fixture.call("10.0.0.1").served;
  assertEquals([fixture.reasons, fixture.service.stats.handshakes], [
    ["refused-by-deny", "refused-by-rate"],
    1,
  ]);
  const other = fixture.call("10.0.0.2");
  await first.served;
  assertEquals(fixture.reasons.at(-1), "refused-by-handshakes");
  await leave(other);
  await fixture.end();
});

Deno.test("whose address has the most places yields at once to others, and others never to it", async () => {
  const fixture = serviceOf({ maxHandshakes: 4 });
  const crowd = Array.from({ length: 3 }, () => fixture.call("10.0.0.1"));
  const single = fixture.call("10.0.0.2");
  await fixture.call("10.0.0.1").served; // Its own have time yet, and the other one is no concern of its.
  const third = fixture.call("10.0.0.3");
  await crowd[0]!.served;
  assertEquals(fixture.reasons, ["refused-by-handshakes", "refused-by-handshakes"]);
  await fixture.call("10.0.0.3").served; // It would have as many as the crowd.
  fixture.clock.advance(250);
  const late = fixture.call("10.0.0.1");
  await crowd[1]!.served;
  assertEquals(fixture.service.stats.handshakes, 4);
  await leave(crowd[2]!, single, third, late);
  await fixture.end();
});

Deno.test("who has come in yields to nobody", async () => {
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

Deno.test("where handshakes take long, each client has longer", async () => {
  const fixture = new ServiceFixture({ trusted: ["10.0.0.0/8"], admission: { maxHandshakes: 1 } });
  for (let i = 0; i < 50; i++) {
    const { end, served } = fixture.call();
    fixture.clock.advance(2000);
    await end.send(
      HEADER,
    );
    const server = await fixture.answer();
    await end.closeWrite();
    await server.closeWrite();
    await served;
  }
  const slow = fixture.call();
  fixture.clock.advance(7900);
  await fixture.call().served;
  assertEquals(fixture.reasons.at(-1), "refused-by-handshakes");
  fixture.clock.advance(100);
  const next = fixture.call();
  await slow.served;
  assertEquals(fixture.lines.at(-1)!.fields.duration_ms, 8000);
  await leave(next);
  await settle();
  await fixture.end();
});

Deno.test("places keep their order and count for their address, whoever leaves and whenever", () => {
  const random = numbers(7);
  const below = (bound: number) => Math.trunc(random.next().value * bound);
  const handshakes = new Handshakes();
  let ended = -1;
  let model: { at: number; ip: string; place: HandshakePlace }[] = [];
  const held = (ip: string) => model.filter((one) => one.ip === ip).length;
  for (let at = 0; at < 2000; at++) {
    const ip = "abcdefgh"[below(8)]!;
    model.push({ at, ip, place: handshakes.begin({ startedAtMs: at, destroy: () => ended = at }, ip) });
    for (let left = below(3); left > 0 && model.length > 0; left--) {
      const [gone] = model.splice(below(model.length), 1);
      handshakes.end(gone!.place);
      handshakes.end(gone!.place); // The second time does nothing.
    }
    const most = Math.max(...model.map((one) => held(one.ip)));
    const crowd = model.find((one) => held(one.ip) === most);
    const next = "abcdefghi"[below(9)]!;
    const must = crowd !== undefined && (most > held(next) + 1 || at - crowd.at >= 250);
    const yielder = handshakes.yielder(next, at);
    assertEquals(yielder === undefined, !must);
    if (yielder !== undefined && below(4) === 0) {
      handshakes.yield(yielder, "refused-by-limit");
      assertEquals(ended, crowd!.at);
      handshakes.end(yielder);
      model = model.filter((one) => one !== crowd);
    }
    assertEquals(handshakes.size, model.length);
  }
});
