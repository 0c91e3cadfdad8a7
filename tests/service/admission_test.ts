import { assertEquals } from "@std/assert";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { Admission } from "../../src/service/admission.ts";
import type { AdmissionOptions } from "../../src/service/options.ts";
import { FakeClock } from "../core/fake_clock.ts";

const all: AdmissionOptions = { maxConnections: 0 };

Deno.test("without rules everybody may come in", () => {
  const admission = new Admission(all, new FakeClock());
  assertEquals([admission.check("10.0.0.1", 1_000_000), admission.check("unix", 0)], [undefined, undefined]);
});

Deno.test("deny wins over allow, and who is in neither may not come in where there is an allow", () => {
  const allow = parseAddressSet(["10.0.0.0/8", "2001:db8::/32"]);
  const deny = parseAddressSet(["10.1.0.0/16"]);
  const admission = new Admission({ ...all, allow, deny }, new FakeClock());
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

Deno.test("an empty allow lets nobody in, which is not the same as none", () => {
  const admission = new Admission({ ...all, allow: parseAddressSet([]) }, new FakeClock());
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-allow");
});

Deno.test("at maxConnections the next one is refused", () => {
  const admission = new Admission({ maxConnections: 2 }, new FakeClock());
  assertEquals([0, 1, 2, 3].map((active) => admission.check("10.0.0.1", active)), [
    undefined,
    undefined,
    "refused-by-limit",
    "refused-by-limit",
  ]);
});

Deno.test("the rate is each client's own, and comes back with time", () => {
  const clock = new FakeClock();
  const admission = new Admission({ ...all, rate: { connections: 1, perMs: 1000, burst: 2 } }, clock);
  const two = [admission.check("10.0.0.1", 0), admission.check("10.0.0.1", 0)];
  assertEquals(two, [undefined, undefined]);
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-rate");
  assertEquals(admission.check("10.0.0.2", 0), undefined);
  clock.advance(1000);
  assertEquals(admission.check("10.0.0.1", 0), undefined);
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-rate");
});

Deno.test("who is refused for another reason has used nothing of its rate", () => {
  const rate = { connections: 1, perMs: 1000, burst: 1 };
  const admission = new Admission({ maxConnections: 1, rate }, new FakeClock());
  assertEquals(admission.check("10.0.0.1", 1), "refused-by-limit");
  assertEquals(admission.check("10.0.0.1", 0), undefined);
});

Deno.test("new rules hold at once; what was used of an unchanged rate stays used", () => {
  const rate = { connections: 1, perMs: 1000, burst: 1 };
  const admission = new Admission({ ...all, rate }, new FakeClock());
  admission.check("10.0.0.1", 0);
  admission.update({ ...all, rate: { ...rate }, deny: parseAddressSet(["10.0.0.2"]) });
  assertEquals(admission.check("10.0.0.1", 0), "refused-by-rate");
  assertEquals(admission.check("10.0.0.2", 0), "refused-by-deny");
  admission.update({ ...all, rate: { ...rate, burst: 2 } });
  assertEquals(admission.check("10.0.0.1", 0), undefined);
  admission.update(all);
  assertEquals(Array.from({ length: 5 }, () => admission.check("10.0.0.1", 0)), Array(5).fill(undefined));
});

Deno.test("the addresses of one IPv6 /64 share a rate; other prefix lengths can be chosen, and begin afresh", () => {
  const rate = { connections: 1, perMs: 1000, burst: 1 };
  const admission = new Admission({ ...all, rate }, new FakeClock());
  const check = (...ips: string[]) => ips.map((ip) => admission.check(ip, 0));
  assertEquals(check("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:db8:0:1::1"), [
    undefined,
    "refused-by-rate",
    "refused-by-rate",
    undefined,
  ]);
  assertEquals(check("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"), [undefined, "refused-by-rate", undefined]);
  admission.update({ ...all, rate, sourcePrefix: { ipv4: 24, ipv6: 128 } });
  assertEquals(check("2001:db8::1", "2001:db8::2", "10.0.0.1", "10.0.0.2"), [
    undefined,
    undefined,
    undefined,
    "refused-by-rate",
  ]);
});
