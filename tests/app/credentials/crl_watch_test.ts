import { assertEquals } from "@std/assert";
import { CrlWatch } from "../../../src/app/credentials/crl_watch.ts";
import type { CrlInUse } from "../../../src/app/credentials/trust_loader.ts";
import { NO_CREDENTIALS } from "../../../src/app/credentials/credentials.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { AppFixture, configText } from "../control/app_fixture.ts";

const LOOK_MS = 30_000;
const BAD = "a CRL is no longer good";
const GOOD = "a CRL is good again";

/** A watch in fake time; CRLs are good from one time on, until another one. */
class Fixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  /** How far the machine's time is from the clock's, in milliseconds: it may be set. */
  offMs = 0;
  readonly watch = new CrlWatch({
    log: this.log,
    clock: this.clock,
    now: () => this.clock.now() + this.offMs,
  });

  /** Moves the time on; what was said meanwhile. */
  said(ms: number): string[] {
    const from = this.log.lines.length;
    this.clock.advance(ms);
    return this.log.lines.slice(from).map(({ level, message, fields }) =>
      `${level}: ${message}: ${fields.used_by}, ${fields.file}`
    );
  }

  end(): void {
    this.watch.end();
    assertEquals([this.said(10 * LOOK_MS), this.clock.pending], [[], 0]);
  }
}

/** A CRL that is good in this time. */
function crl(untilMs: number, { fromMs = 0, usedBy = "service a", path = "/ca.crl" } = {}): CrlInUse {
  const finding = { reason: "crl-expired", detail: "it has expired", rejects: "all" } as const;
  const problem = (nowMs: number) => nowMs < fromMs || nowMs > untilMs ? finding : undefined;
  return { usedBy, path, crls: [], problem };
}

Deno.test("an expired CRL is logged as an error within 30 seconds, once for each service that uses it", () => {
  const fixture = new Fixture();
  fixture.watch.follow([
    crl(100_000),
    crl(100_000, { usedBy: "service b" }),
    crl(200_000, { path: "/other.crl" }),
  ]);
  assertEquals(fixture.said(100_000), []);
  assertEquals(fixture.said(LOOK_MS), [
    `error: ${BAD}: service a, /ca.crl`,
    `error: ${BAD}: service b, /ca.crl`,
  ]);
  assertEquals(fixture.log.lines[0]!.fields.error, "all client certificates are rejected: it has expired");
  assertEquals(fixture.said(60_000), []);
  assertEquals(fixture.said(50_000), [`error: ${BAD}: service a, /other.crl`]);
  assertEquals(fixture.said(1_000_000), []);
  fixture.end();
});

Deno.test("a CRL that was bad when it was loaded is not reported again until it is good", () => {
  const fixture = new Fixture();
  fixture.watch.follow([crl(-1), crl(Infinity, { fromMs: 40_000, usedBy: "service b" })]);
  assertEquals(fixture.said(40_000), []);
  assertEquals(fixture.said(LOOK_MS), [`info: ${GOOD}: service b, /ca.crl`]); // It holds by now.
  fixture.watch.follow([crl(-1), crl(-1, { usedBy: "service b" })]); // The loader warns of both.
  assertEquals(fixture.said(100_000), []);
  assertEquals(fixture.log.lines.length, 1);
  fixture.watch.follow([crl(190_000)]);
  assertEquals(fixture.log.messages, [GOOD, GOOD]);
  assertEquals(fixture.said(10_000), []);
  assertEquals(fixture.said(LOOK_MS), [`error: ${BAD}: service a, /ca.crl`]);
  fixture.end();
});

Deno.test("a reload tells of what it has made good, and of no file or user that is new", () => {
  const fixture = new Fixture();
  fixture.watch.follow([crl(10_000)]);
  assertEquals(fixture.said(LOOK_MS).length, 1);
  fixture.watch.follow([crl(10_000)]); // The same again.
  assertEquals(fixture.said(LOOK_MS), []);
  fixture.watch.follow([crl(Infinity, { usedBy: "service b" }), crl(Infinity, { path: "/new.crl" })]);
  fixture.watch.follow([crl(Infinity)]); // Gone meanwhile, it is new.
  assertEquals(fixture.log.messages, [BAD]);
  fixture.watch.follow([crl(-1)]);
  fixture.watch.follow([crl(Infinity)]);
  assertEquals(fixture.log.messages, [BAD, GOOD]);
  fixture.end();
});

Deno.test("a CRL that has expired since the last check is reported at a change of another", () => {
  const fixture = new Fixture();
  const stays = crl(10_000);
  fixture.watch.follow([stays, crl(Infinity, { usedBy: "service b" })]);
  assertEquals(fixture.said(20_000), []);
  fixture.watch.follow([stays, crl(Infinity, { usedBy: "service b" })]);
  assertEquals(fixture.log.messages, [BAD]);
  assertEquals(fixture.said(100_000), []);
  fixture.end();
});

Deno.test("the machine's time counts, were it set back", () => {
  const fixture = new Fixture();
  fixture.watch.follow([crl(100_000)]);
  fixture.offMs = 1_000_000;
  assertEquals(fixture.said(LOOK_MS), [`error: ${BAD}: service a, /ca.crl`]);
  fixture.offMs = 0;
  assertEquals(fixture.said(LOOK_MS), [`info: ${GOOD}: service a, /ca.crl`]);
  fixture.end();
});

Deno.test("without a CRL nothing runs, and reloads leave one timer", () => {
  const fixture = new Fixture();
  fixture.watch.follow([]);
  assertEquals(fixture.clock.pending, 0);
  for (let i = 0; i < 3; i++) fixture.watch.follow([crl(0)]);
  assertEquals(fixture.clock.pending, 1);
  fixture.watch.follow([]);
  assertEquals(fixture.clock.pending, 0);
  fixture.end();
});

Deno.test("a program looks at the CRLs that it runs with, until it ends", async () => {
  const fixture = new AppFixture();
  const services = { web: { listen: ["127.0.0.1:0"], upstream: "app" } };
  const text = configText({ upstreams: { app: ["a"] }, services });
  const config = await parseConfig(text, { name: "test.yaml", folder: "." });
  let good = true;
  const { problem } = crl(-1);
  const inUse = { ...crl(0), problem: () => good ? undefined : problem(0) };
  await fixture.apply(config, { ...NO_CREDENTIALS, crls: [inUse] });
  good = false;
  fixture.clock.advance(LOOK_MS);
  assertEquals(fixture.log.messages.filter((message) => message === BAD), [BAD]);
  await fixture.apply(config, { ...NO_CREDENTIALS, crls: [crl(Infinity)] });
  assertEquals(fixture.log.messages.filter((message) => message === GOOD), [GOOD]);
  await fixture.end(); // Which shows that nothing waits any more.
});
