import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { plain } from "../../../src/cli/terminal/style.ts";
import { textWidth } from "../../../src/cli/terminal/text_width.ts";
import type { Key } from "../../../src/cli/terminal/keys.ts";
import type { TopSample } from "../../../src/cli/top/top_sample.ts";
import { topScreen } from "../../../src/cli/top/top_screen.ts";
import { type TopAction, TopState } from "../../../src/cli/top/top_state.ts";
import { FULL_STATUS } from "../../admin/metrics/metrics_fixture.ts";

function sample(seconds = 100, more: Partial<TopSample["program"]["status"]> = {}): TopSample {
  const status = { ...FULL_STATUS, uptimeSeconds: seconds, ...more };
  return { program: { status, ready: true, reasons: [] } };
}

function press(state: TopState, keys: string): (TopAction | undefined)[] {
  return [...keys].map((char) => state.press({ char }));
}

function named(name: Extract<Key, { name: string }>["name"]): Key {
  return { name };
}

function screen(state: TopState, columns = 80, rows = 24): string[] {
  return topScreen(state, { columns, rows, paint: plain });
}

/** The first column of the rows on the screen, without the mark of the selected one. */
function firstColumn(state: TopState): string[] {
  return state.table().rows.map(({ cells }) => cells[0]!.text);
}

Deno.test("a screen has exactly its size, whatever that is and whatever is shown", () => {
  const state = new TopState();
  const sizes = [[80, 24], [200, 50], [40, 10], [20, 5], [1, 1], [80, 2]] as const;
  const check = () => {
    for (const [columns, rows] of sizes) {
      const lines = screen(state, columns, rows);
      assertEquals(lines.length, rows, `${columns}x${rows}`);
      for (const line of lines) assert(textWidth(line) <= columns, `${columns}x${rows}: ${line}`);
    }
  };
  check();
  state.take(sample());
  for (const key of ["1", "2", "3", "4", "?", "q", "2", "/"]) {
    state.press({ char: key });
    check();
  }
});

Deno.test("rates are the increase since the last sample, in the seconds between the two", () => {
  const [web] = FULL_STATUS.services;
  const state = new TopState();
  state.take(sample(100));
  assertEquals(state.table().rows[0]!.cells.slice(1, 4).map(({ text }) => text), ["3", "0", "0"]);
  const requests = { ...web!.requests!, byStatus: { "2xx": 27 } };
  state.take(sample(102, { services: [{ ...web!, total: 30, bytesUp: 5096, requests }] }));
  const texts = state.table().rows[0]!.cells.map(({ text }) => text);
  assertEquals(texts, ["web", "3", "10", "9.5", "0", "2.0K", "0", "30", "127.0.0.1:80"]);
  // A program that was started again has smaller counters.
  state.take(sample(1, { services: [{ ...web!, total: 1 }] }));
  assertEquals(state.table().rows[0]!.cells[2]!.text, "0");
});

Deno.test("columns sort by number or by text, in both directions, and behind the last one as configured", () => {
  const state = new TopState();
  state.take(sample());
  press(state, "2");
  const addresses = () => state.table().rows.map(({ cells }) => cells[1]!.text);
  const configured = ["10.0.0.1:80", "[::1]:80", "10.0.0.3:80"];
  assertEquals(addresses(), configured);
  press(state, ">>");
  assertEquals(addresses(), ["[::1]:80", "10.0.0.1:80", "10.0.0.3:80"]);
  press(state, "r");
  assertEquals(addresses(), ["10.0.0.3:80", "10.0.0.1:80", "[::1]:80"]);
  assertStringIncludes(screen(state)[3]!, "BACKEND↓");
  press(state, ">>>>>>");
  assertEquals(state.table().rows.map(({ cells }) => cells[7]!.text), ["5", "0", "0"]);
  press(state, ">>");
  assertEquals(addresses(), configured);
  press(state, "<");
  assertStringIncludes(screen(state)[3]!, "WHY↑");
});

Deno.test("a filter keeps the rows that have its text in any case, until Escape", () => {
  const state = new TopState();
  state.take(sample());
  press(state, "2/EJQ");
  assertEquals(firstColumn(state), []);
  assertStringIncludes(screen(state)[1]!, "filter: EJQ_");
  state.press(named("backspace"));
  assertEquals(firstColumn(state), ["app"]);
  state.press(named("enter"));
  assertStringIncludes(screen(state)[1]!, "filter: EJ  1 row");
  press(state, "1");
  assertEquals(firstColumn(state), ["web"]); // A filter belongs to its view.
  press(state, "2");
  state.press(named("escape"));
  assertEquals(firstColumn(state).length, 3);
});

Deno.test("the selected row stays selected while others move, and is always on the screen", () => {
  const backends = Array.from({ length: 50 }, (_, index) => ({
    ...FULL_STATUS.upstreams[0]!.backends[0]!,
    ...{ address: `10.0.0.${index}:80`, total: index },
  }));
  const state = new TopState();
  state.take(sample(1, { upstreams: [{ ...FULL_STATUS.upstreams[0]!, backends }] }));
  press(state, "2");
  const selected = () => screen(state).find((line) => line.startsWith("> "))!;
  assertStringIncludes(selected(), "10.0.0.0:80");
  state.press(named("page-down"));
  assertStringIncludes(selected(), "10.0.0.19:80");
  press(state, "jjk");
  assertStringIncludes(selected(), "10.0.0.20:80");
  press(state, ">>>>>>>"); // By total, from the largest down.
  assertStringIncludes(selected(), "10.0.0.20:80");
  state.press(named("end"));
  assertStringIncludes(selected(), "10.0.0.0:80");
  state.press(named("home"));
  assertStringIncludes(selected(), "10.0.0.49:80");
  state.take(sample(2, { upstreams: [{ ...FULL_STATUS.upstreams[0]!, backends: backends.slice(0, 40) }] }));
  assertStringIncludes(selected(), "10.0.0.39:80"); // What was selected has gone.
});

Deno.test("a backend is drained or enabled only after a yes", () => {
  const state = new TopState();
  state.take(sample());
  press(state, "d");
  assertStringIncludes(screen(state).at(-1)!, "select a backend to drain");
  press(state, "2j");
  assertEquals(press(state, "d"), [undefined]);
  assertStringIncludes(screen(state).at(-1)!, "drain [::1]:80 of app? (y/n)");
  assertEquals(press(state, "n"), [undefined]);
  assertEquals(press(state, "dy").at(-1), { kind: "drain", upstream: "app", address: "[::1]:80" });
  assertEquals(press(state, "eY").at(-1), { kind: "enable", upstream: "app", address: "[::1]:80" });
  assertEquals(press(state, "d q"), [undefined, undefined, { kind: "quit" }]);
  press(state, "d");
  assertEquals(state.press(named("ctrl-c")), { kind: "quit" });
});

Deno.test("no name can send a command to the terminal, and a wide one is cut", () => {
  const [web] = FULL_STATUS.services;
  const state = new TopState();
  state.take(sample(1, { services: [{ ...web!, name: "\x1b[2J漢字".repeat(10), listeners: ["\u009b1m"] }] }));
  // deno-lint-ignore no-control-regex
  for (const line of screen(state)) assert(!/[\x00-\x1f\x7f-\x9f]/.test(line) && textWidth(line) <= 80, line);
});

Deno.test("workers are shown with their load, or that there are none", () => {
  const [worker] = FULL_STATUS.workers!;
  const state = new TopState();
  assertEquals(press(state, "4"), [{ kind: "refresh" }]);
  state.take(sample(100));
  const leaving = { ...worker!, state: "leaving" as const, connections: 1, total: 7 };
  state.take(sample(102, { workers: [{ ...worker!, total: 30 }, leaving] }));
  const rows = state.table().rows.map(({ cells }) => cells.map(({ text }) => text));
  assertEquals(rows, [
    ["1", "running", "3", "10", "30", "2.0ms", "11M", "1"],
    ["1", "leaving", "1", "0", "7", "2.0ms", "11M", "1"],
  ]);
  const { workers: _, ...alone } = FULL_STATUS;
  state.take({ program: { status: alone, ready: true, reasons: [] } });
  assertStringIncludes(screen(state)[4]!, "the main thread carries all traffic");
});

Deno.test("connections are shown as they are listed, or why they can't be", () => {
  const state = new TopState();
  const session = {
    ...{ id: "7", service: "web", client: "192.0.2.7:50112", identity: "CN=alice", state: "open" },
    ...{ ageMs: 65_000, bytesUp: 10, bytesDown: 2048, backend: "10.0.0.1:80" },
  };
  assertEquals(press(state, "3"), [{ kind: "refresh" }]);
  state.take({ ...sample(), connections: { total: 900, sessions: [session] } });
  const lines = screen(state);
  assertStringIncludes(lines[1]!, "1 row  1 of 900 listed");
  assertEquals(
    lines[4]!.trimEnd(),
    "> 1m05s  web      192.0.2.7:50112  CN=alice  10.0.0.1:80  open   10  2.0K",
  );
  state.take({ ...sample(), connections: { total: 0, sessions: [], problem: "not allowed" } });
  assertStringIncludes(screen(state)[4]!, "not allowed");
});
