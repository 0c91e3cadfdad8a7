import { assert, assertEquals, assertMatch } from "@std/assert";
import { LineWriter } from "../../src/app/line_writer.ts";
import { configureLog, programLog } from "../../src/app/log.ts";
import type { LogConfig } from "../../src/config/config.ts";

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;

/** Configures the log to write to the text that is returned. */
async function written(config: Partial<LogConfig>, say: (log: ReturnType<typeof programLog>) => void) {
  let text = "";
  const writer = new LineWriter({
    write(bytes) {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  await configureLog({ level: "info", format: "text", access: true, ...config }, writer);
  say(programLog());
  await writer.flush();
  return text.split("\n").slice(0, -1);
}

Deno.test("a line of text has time, level, message and fields, and no field that is absent", async () => {
  const fields = { service: "web", bytes_up: 10, ok: true, client: "[::1]:4711", backend: undefined };
  const [line] = await written({}, (log) => log.info("connection closed", fields));
  const expected = "connection closed service=web bytes_up=10 ok=true client=\\[::1\\]:4711";
  assertMatch(line!, new RegExp(`^${TIME} info  ${expected}$`));
});

Deno.test("no value can look like another field, another line or a command to a terminal", async () => {
  const lines = await written({}, (log) => {
    log.warn("refused", { a: "x y=z", b: 'say "hi"', c: "two\nlines", d: "", e: "\x1b[31m", f: "{x}" });
  });
  assertEquals(lines.length, 1);
  const values = String.raw`a="x y=z" b="say \"hi\"" c="two\nlines" d="" e="\u001b[31m" f="{x}"`;
  assert(lines[0]!.endsWith(` warn  refused ${values}`), lines[0]);
});

Deno.test("a line of JSON has the same, each field by its own name and type", async () => {
  const fields = { service: "web", bytes_up: 10, backend: undefined, error: "two\nlines" };
  const lines = await written({ format: "json" }, (log) => log.warn("connection closed", fields));
  assertEquals(lines.length, 1);
  const { "@timestamp": time, ...record } = JSON.parse(lines[0]!);
  assertMatch(time, new RegExp(`^${TIME}$`));
  assertEquals(record, {
    level: "WARN",
    message: "connection closed",
    logger: "culvert",
    service: "web",
    bytes_up: 10,
    error: "two\nlines",
  });
});

Deno.test("what is below the level is not written", async () => {
  const levels = ["debug", "info", "warn", "error"] as const;
  for (const [index, level] of levels.entries()) {
    const lines = await written({ level }, (log) => levels.forEach((each) => log[each](`at ${each}`)));
    assertEquals(lines.map((line) => line.split(" at ")[1]), levels.slice(index));
  }
});

Deno.test("a new configuration takes the place of the old one, in logs that were handed out before too", async () => {
  let early!: ReturnType<typeof programLog>;
  const first = await written({}, (log) => early = log);
  const second = await written({ level: "debug" }, () => early.debug("still here"));
  assertEquals([first.length, second.length], [0, 1]);
});
