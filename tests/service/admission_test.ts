import { assertEquals } from "@std/assert";
import { Counter } from "../../src/core/counter.ts";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { Admission, type AdmissionPolicy } from "../../src/service/admission.ts";
import type { Refusal } from "../../src/service/reason.ts";
import { FakeClock } from "../core/fake_clock.ts";

const all: AdmissionPolicy = { maxConnections: 0, needsHandshake: false };

/** An admission whose service has as many open connections as a check says. */
function admissionOf(policy: Partial<AdmissionPolicy>, clock = new FakeClock()) {
  const connections = new Counter();
  const parts = { clock, wheel: new TimerWheel({ clock }), connections };
  const admission = new Admission({ ...all, ...policy }, parts);
  return {
    admission,
    /** At accept. */
    check(ip: string, active: number): Refusal | undefined {
      connections.set(active);
      return admission.checkAccepted(ip);
    },
    /** When a PROXY header has been read. */
    checkClient(ip: string, active: number): Refusal | undefined {
      connections.set(active);
      return admission.checkClient(ip);
    },
    update: (policy: Partial<AdmissionPolicy>) => admission.update({ ...all, ...policy }),
  };
}

Deno.test("without rules every client is admitted", () => {
  const admission = admissionOf({});
  assertEquals([admission.check("10.0.0.1", 1_000_000), admission.check("unix", 0)], [undefined, undefined]);
});

Deno.test("deny takes precedence over allow, and a client in neither is refused if there is an allow", () => {
  const allow = parseAddressSet(["10.0.0.0/8", "2001:db8::/32"]);
  const deny = parseAddressSet(["10.1.0.0/16"]);
  const admission = admissionOf({ allow, deny });
  const answers = ["10.0.0.1", "2001:db8::1", "10.1.2.3", "192.0.2.1", "::1", "unix"].map((ip) =>
    admission.check(ip, 0)
  );
  assertEquals(answers, [
    undefined,
    undefined,
    "refused-by-deny",
    "refused-by-allow",
    "refused-by-allow",
    "refused-by-allow",
  ]);
});

Deno.test("an empty allow refuses every client, unlike no allow", () => {
  const admission = admissionOf({ allow: parseAddressSet([]) });
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-allow");
});

Deno.test("at maxConnections the next connection is refused", () => {
  const admission = admissionOf({ maxConnections: 2 });
  assertEquals([0, 1, 2, 3].map((active) => admission.check("10.0.0.1", active)), [
    undefined,
    undefined,
    "refused-by-limit",
    "refused-by-limit",
  ]);
});

Deno.test("the rate is counted for each client and recovers with time", () => {
  const clock = new FakeClock();
  const admission = admissionOf({ rate: { connections: 1, perMs: 1000, burst: 2 } }, clock);
  const two = [admission.check("10.0.0.1", 0), admission.check("10.0.0.1", 0)];
  assertEquals(two, [undefined, undefined]);
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-rate");
  assertEquals(admission.check("10.0.0.2", 0), undefined);
  clock.advance(1000);
  assertEquals(admission.check("10.0.0.1", 0), undefined);
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-rate");
});

Deno.test("a client refused for another reason has used nothing of its rate", () => {
  const rate = { connections: 1, perMs: 1000, burst: 1 };
  const admission = admissionOf({ maxConnections: 1, rate });
  assertEquals(admission.check("10.0.0.1", 1), "refused-by-limit");
  assertEquals(admission.check("10.0.0.1", 0), undefined);
});

Deno.test("new rules apply at once; what was used of an unchanged rate stays used", () => {
  const rate = { connections: 1, perMs: 1000, burst: 1 };
  const admission = admissionOf({ rate });
  admission.check("10.0.0.1", 0);
  admission.update({ rate: { ...rate }, deny: parseAddressSet(["10.0.0.2"]) });
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-rate");
  assertEquals(admission.check("10.0.0.2", 0), "refused-by-deny");
  admission.update({ rate: { ...rate, burst: 2 } });
  assertEquals(admission.check("10.0.0.1", 0), undefined);
  admission.update({});
  assertEquals(Array.from({ length: 5 }, () => admission.check("10.0.0.1", 0)), Array(5).fill(undefined));
});

Deno.test("the addresses of one IPv6 /64 share a rate; other prefix lengths can be configured, and start afresh", () => {
  const rate = { connections: 1, perMs: 1000, burst: 1 };
  const admission = admissionOf({ rate });
  const check = (...ips: string[]) => ips.map((ip) => admission.check(ip, 0));
  assertEquals(check("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:db8:0:1::1"), [
    undefined,
    "refused-by-rate",
    "refused-by-rate",
    undefined,
  ]);
  assertEquals(check("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"), [undefined, "refused-by-rate", undefined]);
  admission.update({ rate, sourcePrefix: { ipv4: 24, ipv6: 128 } });
  assertEquals(check("2001:db8::1", "2001:db8::2", "10.0.0.1", "10.0.0.2"), [
    undefined,
    undefined,
    undefined,
    "refused-by-rate",
  ]);
});

Deno.test("behind a PROXY header, only its sender and the limits are checked at accept, and the rules when it is read", () => {
  const admission = admissionOf({
    proxyFrom: parseAddressSet(["10.0.0.1"]),
    deny: parseAddressSet(["10.0.0.1", "192.0.2.1"]),
    rate: { connections: 1, perMs: 1000, burst: 1 },
    maxConnections: 2,
    needsHandshake: true,
  });
  assertEquals(["10.0.0.2", "192.0.2.2"].map((ip) => admission.check(ip, 0)), [
    "refused-by-proxy",
    "refused-by-proxy",
  ]);
  assertEquals([0, 1, 2].map((active) => admission.check("10.0.0.1", active)), [
    undefined,
    undefined,
    "refused-by-limit",
  ]);
  // The connection itself is one of those that are open.
  assertEquals(
    [1, 2, 3].map((active) => admission.checkClient("192.0.2.1", active)),
    Array(3).fill("refused-by-deny"),
  );
  assertEquals(admission.checkClient("192.0.2.2", 3), "refused-by-limit");
  assertEquals([2, 2].map((active) => admission.checkClient("192.0.2.2", active)), [
    undefined,
    "refused-by-rate",
  ]);
});

Deno.test("maxHandshakes applies only where clients must complete a handshake", () => {
  for (const needsHandshake of [false, true]) {
    const admission = admissionOf({ needsHandshake, maxHandshakes: 1 });
    const evicted: Refusal[] = [];
    const holder = { sinceMs: 0, evict: (reason: Refusal) => void evicted.push(reason) };
    admission.admission.handshakes.add(holder, "10.0.0.1");
    assertEquals(admission.check("10.0.0.1", 1), needsHandshake ? "refused-by-handshakes" : undefined);
    assertEquals(evicted, []);
  }
});
