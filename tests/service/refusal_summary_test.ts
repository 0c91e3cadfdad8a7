import { assertEquals } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { RefusalSummary } from "../../src/service/refusal_summary.ts";
import { ServiceStats } from "../../src/service/service_stats.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";

function fixture() {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const wheel = new TimerWheel({ clock });
  const summary = new RefusalSummary({ service: "main", wheel, log });
  let written = 0;
  let next = 0;
  /** That many refusals at once; how many of them were written whole. */
  const refuse = (count: number, reason: "refused-by-rate" | "refused-by-deny" = "refused-by-rate") => {
    const before = written;
    for (let i = 0; i < count; i++) if (summary.admits(reason, () => `10.0.0.1:${++next}`)) written++;
    return written - before;
  };
  const counts = () => log.lines.map(({ fields }) => fields.count);
  return { clock, log, wheel, summary, refuse, counts, written: () => written };
}

Deno.test("the first refusals of a second are written whole, and the others counted in one line a second", () => {
  const { clock, log, refuse, counts } = fixture();
  assertEquals(refuse(1000), 20);
  clock.advance(1200);
  assertEquals(log.lines, [{
    level: "info",
    message: "connections refused",
    fields: { service: "main", reason: "refused-by-rate", count: 980, last_client: "10.0.0.1:980" },
  }]);
  // The flood goes on: only lines with counts.
  assertEquals(refuse(500), 0);
  clock.advance(1200);
  assertEquals(counts(), [980, 500]);
  // A second without any ends it.
  clock.advance(1200);
  assertEquals(refuse(5), 5);
  assertEquals(counts(), [980, 500]);
});

Deno.test("each reason is limited by itself", () => {
  const { refuse } = fixture();
  assertEquals([refuse(50), refuse(50, "refused-by-deny"), refuse(1)], [20, 20, 0]);
});

Deno.test("refusals below the limit are all written, and cost no timer", () => {
  const { clock, log, refuse, wheel, written } = fixture();
  for (let second = 0; second < 5; second++) {
    refuse(20);
    clock.advance(1000);
  }
  assertEquals([written(), log.lines.length, wheel.size], [100, 0, 0]);
});

Deno.test("nothing is lost: what was written and what was counted are all refusals, also at the end", () => {
  const { clock, refuse, summary, counts, written, wheel } = fixture();
  let total = 0;
  for (const count of [3, 40, 0, 7, 200, 1, 0, 0, 25, 30]) {
    refuse(count);
    total += count;
    clock.advance(500);
  }
  summary.flush();
  assertEquals(written() + counts().reduce<number>((sum, count) => sum + Number(count), 0), total);
  assertEquals(wheel.size, 0);
});

Deno.test("a flood loses nothing from the counters", () => {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const wheel = new TimerWheel({ clock });
  const stats = new ServiceStats({ service: "main", wheel, log, access: true });
  for (let port = 1; port <= 300; port++) {
    stats.refused({ address: { ip: "10.0.0.1", port }, listener: "a" }, "refused-by-deny");
  }
  stats.flush();
  const { rejected, ended } = stats.counters([], { active: 0, handshakes: 0 });
  assertEquals([rejected, ended["refused-by-deny"]], [300, 300]);
  assertEquals(log.lines.length, 21);
  assertEquals(log.lines.at(-1)!.fields.count, 280);
});
