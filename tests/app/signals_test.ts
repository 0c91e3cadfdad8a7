import { assertEquals } from "@std/assert";
import { Signals } from "../../src/app/signals.ts";
import { silentLog } from "../../src/core/log.ts";
import { FakeClock } from "../core/fake_clock.ts";

Deno.test("a signal that comes again at once is its own echo, and later it is a second one", () => {
  const clock = new FakeClock();
  const stops: string[] = [];
  using signals = new Signals({
    onReload() {},
    onStop: (why) => void stops.push(why),
    log: silentLog,
    clock,
  });
  signals.stop("SIGINT");
  clock.advance(249);
  signals.stop("SIGINT");
  assertEquals(stops, ["SIGINT"]);
  clock.advance(250);
  signals.stop("SIGINT");
  assertEquals(stops, ["SIGINT", "SIGINT"]);
});

Deno.test("another signal is no echo", () => {
  const stops: string[] = [];
  using signals = new Signals({
    onReload() {},
    onStop: (why) => void stops.push(why),
    log: silentLog,
    clock: new FakeClock(),
  });
  signals.stop("SIGINT");
  signals.stop("SIGTERM");
  assertEquals(stops, ["SIGINT", "SIGTERM"]);
});
