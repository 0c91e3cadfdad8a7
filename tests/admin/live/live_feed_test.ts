import { assert, assertEquals } from "@std/assert";
import { LiveFeed, type StreamOutput } from "../../../src/admin/live/live_feed.ts";
import type { LiveView } from "../../../src/admin/live/live_view.ts";
import type { Status } from "../../../src/admin/status/status.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { settle } from "../../support/settle.ts";
import { until } from "../../support/wait.ts";
import { backendStatus, FakeTarget, SMALL_STATUS } from "../fake_target.ts";

/** What a viewer has been sent. */
interface Event {
  readonly name: string;
  // deno-lint-ignore no-explicit-any -- what it has depends on its name
  readonly data: any;
}

/** A viewer that reads what it is sent, or does not. */
class FakeViewer implements StreamOutput {
  readonly events: Event[] = [];
  readonly #abort = new AbortController();
  /** Lets sends wait until it is called. */
  #release: (() => void) | undefined;
  #blocked: Promise<void> | undefined;
  /** The most sends at a time. */
  most = 0;
  #sends = 0;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get names(): string {
    return this.events.map(({ name }) => name).join(" ");
  }

  async send(bytes: Uint8Array): Promise<void> {
    this.most = Math.max(this.most, ++this.#sends);
    await this.#blocked;
    this.#sends--;
    const text = new TextDecoder().decode(bytes);
    const [, name, data] = /^(?:retry: \d+\nevent: (\w+)\ndata: (.*)|:)\n\n$/.exec(text)!;
    this.events.push(name === undefined ? { name: "comment", data: "" } : { name, data: JSON.parse(data!) });
  }

  /** Reads nothing from now on. */
  block(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#blocked = promise;
    this.#release = () => {
      this.#blocked = undefined;
      resolve();
    };
  }

  unblock(): void {
    this.#release!();
  }

  leave(): void {
    this.#abort.abort();
  }
}

function statusWith(active: number, more: Partial<Status> = {}): Status {
  const backends = [{ ...backendStatus("a:1"), active }, backendStatus("b:1")];
  const queue = { waiting: 0, queued: 0, full: 0, timedOut: 0 };
  const upstreams = [{ name: "db", balance: "round-robin", available: 2, queue, backends }];
  return { ...SMALL_STATUS, upstreams, ...more };
}

function setUp(options: { maxViewers?: number } = {}) {
  const clock = new FakeClock();
  const target = new FakeTarget();
  target.document = statusWith(0);
  const feed = new LiveFeed({ target, clock, ...options });
  const served: Promise<void>[] = [];
  /** Until everything has been sent, and the next second is waited for. */
  const atRest = async () => {
    await until(() => clock.pending === 1, { what: "the feed to wait for the next second" });
    await settle();
  };
  const join = async () => {
    const viewer = new FakeViewer();
    served.push(feed.serve(viewer));
    await atRest();
    return viewer;
  };
  const tick = async () => {
    clock.advance(1000);
    await atRest();
  };
  const end = async (...viewers: FakeViewer[]) => {
    for (const viewer of viewers) viewer.leave();
    await Promise.all(served);
    await until(() => clock.pending === 0, { what: "the feed to end" });
    assertEquals(feed.size, 0);
  };
  const collected = () => target.calls.filter(([what]) => what === "live").length;
  return { clock, target, feed, join, tick, end, collected };
}

Deno.test("a viewer gets a snapshot at once, and then what has changed, once a second", async () => {
  const { target, join, tick, end } = setUp();
  const viewer = await join();
  assertEquals(viewer.names, "snapshot");
  const { view, history } = viewer.events[0]!.data as { view: LiveView; history: { fields: string[] } };
  assertEquals([view.upstreams.db!.backends["a:1"]!.active, view.program.state], [0, "ready"]);
  assertEquals(history.fields[0], "time");
  await tick();
  assertEquals(viewer.names, "snapshot comment");
  target.document = statusWith(3);
  await tick();
  const patch = { upstreams: { db: { backends: { "a:1": { active: 3 } } } } };
  assertEquals(viewer.events[2], { name: "delta", data: { view: patch, rows: [] } });
  await end(viewer);
});

Deno.test("nothing is collected while there are no viewers", async () => {
  const { clock, join, tick, end, collected } = setUp();
  await clock.advanceAsync(5000);
  assertEquals(collected(), 0);
  const viewer = await join();
  await tick();
  await tick();
  assertEquals(collected(), 3);
  await end(viewer);
  await clock.advanceAsync(5000);
  assertEquals(collected(), 3);
});

Deno.test("the state is collected once for all viewers, and later viewers begin with it", async () => {
  const { target, join, tick, end, collected } = setUp();
  const first = await join();
  target.document = statusWith(1);
  const second = await join();
  assertEquals([collected(), second.names], [1, "snapshot"]);
  await tick();
  assertEquals([collected(), first.names, second.names], [2, "snapshot delta", "snapshot delta"]);
  assertEquals(first.events[1], second.events[1]);
  await end(first, second);
});

Deno.test("a slow viewer is sent one event at a time, and a snapshot when it has caught up", async () => {
  const { target, join, tick, end } = setUp();
  const [slow, quick] = [await join(), await join()];
  slow.block();
  for (let second = 1; second <= 5; second++) {
    target.document = statusWith(second);
    await tick();
  }
  assertEquals([quick.names, slow.names], ["snapshot delta delta delta delta delta", "snapshot"]);
  slow.unblock();
  await settle();
  assertEquals(slow.names, "snapshot delta");
  target.document = statusWith(6);
  await tick();
  assertEquals([slow.names, slow.most], ["snapshot delta snapshot", 1]);
  assertEquals(slow.events[2]!.data.view.upstreams.db.backends["a:1"].active, 6);
  target.document = statusWith(7);
  await tick();
  assertEquals(slow.events[3]!.data.view.upstreams.db.backends["a:1"], { active: 7 });
  await end(slow, quick);
});

Deno.test("new rows of the history come with each delta", async () => {
  const { target, join, tick, end } = setUp();
  const none = { bounds: [], counts: [], sum: 0, count: 0 };
  const add = (connections: number, atMs: number) =>
    target.history.add({
      ...{ active: 0, connections, refused: 0, failed: 0, bytesUp: 0, bytesDown: 0, requests: 0 },
      connectSeconds: none,
    }, atMs);
  add(0, 1000);
  add(5, 2000);
  const viewer = await join();
  assertEquals(viewer.events[0]!.data.history.columns[0], [2]);
  add(7, 3000);
  await tick();
  assertEquals(viewer.events[1]!.data.rows.map((row: number[]) => row.slice(0, 3)), [[3, 0, 2]]);
  await end(viewer);
});

Deno.test("there is a bound on the number of viewers", async () => {
  const { feed, join, end } = setUp({ maxViewers: 2 });
  const viewers = [await join()];
  assert(feed.hasRoom);
  viewers.push(await join());
  assert(!feed.hasRoom);
  await end(...viewers);
  assert(feed.hasRoom);
});

Deno.test("names that are numbers or property names keep their places", async () => {
  const { target, join, end } = setUp();
  const { upstreams: [upstream] } = statusWith(0);
  const names = ["b", "10", "__proto__", "2", "constructor"];
  target.document = { ...statusWith(0), upstreams: names.map((name) => ({ ...upstream!, name })) };
  const viewer = await join();
  const { upstreams } = (viewer.events[0]!.data as { view: LiveView }).view;
  const found = Object.entries(upstreams).sort(([, a], [, b]) => a.position - b.position);
  assertEquals(found.map(([name]) => name), names);
  await end(viewer);
});
