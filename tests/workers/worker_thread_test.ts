import { assertEquals, assertRejects } from "@std/assert";
import { WorkerThread } from "../../src/workers/worker_thread.ts";
import { FakeClock } from "../core/fake_clock.ts";

/** A worker that sends a beat when it is told something, and hangs when it is asked something. */
const MODULE = new URL(
  `data:application/javascript,${
    encodeURIComponent(`
      onmessage = ({ data }) => {
        if (data.type === "request") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        postMessage({ type: "beat", beat: { services: [], delayMs: 0, heapBytes: 0 } });
        postMessage({ type: "local-ip", ip: "127.0.0.1" });
      };
      postMessage({ type: "loaded" });
    `)
  }`,
);

Deno.test("a worker that hangs is ended after three looks without a beat, and requests to it fail", async () => {
  const clock = new FakeClock();
  const failures: string[] = [];
  let told = Promise.withResolvers<void>();
  const thread = new WorkerThread({
    module: MODULE,
    name: "worker 1",
    clock,
    onEvent: () => told.resolve(),
    onFailure: ({ message }) => failures.push(message),
  });
  await thread.loaded;
  for (let each = 0; each < 2; each++) {
    clock.advance(20_000);
    told = Promise.withResolvers();
    thread.tell({ type: "free-descriptors" });
    await told.promise;
  }
  const asked = assertRejects(() => thread.ask("idle", undefined), Error, "has not responded for 30 seconds");
  clock.advance(29_999);
  assertEquals(failures, []);
  clock.advance(1);
  await asked;
  assertEquals(failures, ["Cannot go on with worker 1: it has not responded for 30 seconds"]);
  assertEquals([thread.ended, clock.pending], [true, 0]);
});
