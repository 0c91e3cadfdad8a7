import { assertEquals } from "@std/assert";
import { LogInterval } from "../../src/core/log_interval.ts";

Deno.test("a message may be logged at once, and then once per interval", () => {
  const minute = new LogInterval();
  assertEquals([0, 1, 59_999, 60_000, 60_001, 200_000].map((ms) => minute.begin(ms)), [
    ...[true, false, false, true, false, true],
  ]);
  const second = new LogInterval(1000);
  assertEquals([5, 1004, 1005].map((ms) => second.begin(ms)), [true, false, true]);
});
