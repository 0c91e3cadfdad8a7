import { assertEquals, assertThrows } from "@std/assert";
import { parseAddress } from "../../../../src/net/address.ts";
import type { HalfOpenChecker } from "../../../../src/upstream/check/half_open/checker.ts";
import { HalfOpenUnsupportedError } from "../../../../src/upstream/check/half_open/errors.ts";
import { run } from "../../../support/child.ts";
import { startUnresponsive } from "../../../support/peers.ts";
import { descriptorLinks } from "../../../support/proc.ts";
import { untilStill } from "../../../support/wait.ts";
import { CHECK, DEAD, halfOpenTest, listenAt, LONG_MS, startChecker, UNREACHABLE } from "./fixture.ts";

/** What this process has open that a checker opens too. */
function open(): number {
  return descriptorLinks(Deno.pid).filter((link) => /socket|event/.test(link)).length;
}

/** Makes so many checks at once; how each of them has ended, counted. */
async function endings(count: number, check: () => Promise<void>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  await Promise.all(Array.from({ length: count }, async () => {
    const how = await check().then(
      () => "answered",
      (error) => error.systemCode ?? error.code ?? error.message,
    );
    counts[how] = (counts[how] ?? 0) + 1;
  }));
  return counts;
}

/** Checks that end in every way there is, thousands in all. */
async function everything(checker: HalfOpenChecker, silent: string): Promise<void> {
  using ipv4 = listenAt("127.0.0.1");
  using ipv6 = listenAt("::1");
  const check = (address: Parameters<HalfOpenChecker["checkAddress"]>[0], timeoutMs = LONG_MS) => () =>
    checker.checkAddress(address, timeoutMs);
  assertEquals(await endings(1_000, check(ipv4.address)), { answered: 1_000 });
  assertEquals(await endings(500, check(ipv6.address)), { answered: 500 });
  assertEquals(await endings(1_000, check(DEAD)), { ECONNREFUSED: 1_000 });
  assertEquals(await endings(1_000, check(UNREACHABLE)), { ENETUNREACH: 1_000 });
  assertEquals(await endings(500, check(parseAddress(silent), 20)), { half_open_timeout: 500 });
  const end = new AbortController();
  const aborted = endings(500, () => checker.checkAddress(parseAddress(silent), 0, { signal: end.signal }));
  end.abort(new Error("enough"));
  assertEquals(await aborted, { enough: 500 });
  const linger = () => checker.checkAddress(ipv4.address, LONG_MS, { zeroLinger: false });
  assertEquals(await endings(100, linger), { answered: 100 });
}

halfOpenTest("no descriptor is left behind, however thousands of checks end", async () => {
  using silent = await startUnresponsive();
  await untilStill(open, { what: "what earlier tests have left to be closed" });
  const before = open();
  const checker = startChecker();
  const idle = open();
  assertEquals(idle, before + 2);
  await everything(checker, silent.address);
  assertEquals(open(), idle);
  const closed = endings(500, () => checker.checkAddress(parseAddress(silent.address), 0));
  await checker.close();
  assertEquals(await closed, { half_open_closed: 500 });
  assertEquals(open(), before);
});

halfOpenTest("a checker that can't be started leaves nothing open", async () => {
  await untilStill(open, { what: "what earlier tests have left to be closed" });
  const before = open();
  for (let i = 0; i < 10; i++) {
    assertThrows(() => startChecker({ libraryPath: "/nowhere/libc.so.6" }), HalfOpenUnsupportedError);
  }
  assertEquals(open(), before);
});

const CROWDED = `
import { HalfOpenChecker } from "${CHECK}half_open/checker.ts";
const silent = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
const filling = [await Deno.connect(silent.addr), await Deno.connect(silent.addr)];
const address = { kind: "tcp", host: "127.0.0.1", port: silent.addr.port };
const checker = new HalfOpenChecker({ maxUnderWay: 1000 });
checker.start();
const counts = {};
await Promise.all(Array.from({ length: 500 }, () =>
  checker.checkAddress(address, 100).catch(({ systemCode, code }) => {
    counts[code] = (counts[code] ?? 0) + 1;
    if (code === "half_open_system") counts[systemCode] = (counts[systemCode] ?? 0) + 1;
  })
));
for (const connection of filling) connection.close();
silent.close();
await checker.checkAddress(address, 30_000).catch(({ systemCode }) => console.log(systemCode));
console.log(counts.half_open_system === counts.EMFILE, counts.EMFILE > 0);
console.log(counts.half_open_system + counts.half_open_timeout);
// Nothing is closed: a checker at rest keeps no program alive.
`;

halfOpenTest("without a free descriptor checks say so, and work again as soon as there is one", async () => {
  const deno = [Deno.execPath(), "run", "--quiet", "-A", "--ext=js", "-"];
  const { stdout, stderr } = await run("prlimit", ["--nofile=100:100", ...deno], { input: CROWDED });
  assertEquals([stdout, stderr], ["ECONNREFUSED\ntrue true\n500\n", ""]);
}, { programs: ["prlimit"] });
