import { assert, assertEquals, assertMatch } from "@std/assert";
import { LineWriter } from "../../../src/app/log/line_writer.ts";
import { configureLog, programLog } from "../../../src/app/log/log.ts";
import type { LogConfig } from "../../../src/config/config.ts";

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

  // What a terminal takes for commands, or turns around, or does not show, beyond ASCII; and half a character.
  const evil = "a\x7f\x9b31m\u202e\u2028\u2029\u200b\u{e0041}\ud83d";
  const escaped = String.raw`a\u007f\u009b31m\u202e\u2028\u2029\u200b\udb40\udc41\ud83d`;
  for (const format of ["text", "json"] as const) {
    const [line] = await written({ format }, (log) => log.warn("refused", { evil, good: "grüße 🚰" }));
    assert(line!.includes(`"${escaped}"`), line);
    assert(line!.includes("grüße 🚰"), line);
    assertEquals(line!.match(/[\p{C}\p{Zl}\p{Zp}]/u), null);
  }
  const [line] = await written({ format: "json" }, (log) => log.warn("refused", { evil }));
  assertEquals(JSON.parse(line!).evil, evil);
});

Deno.test("a text that is too long is cut, and says by how much", async () => {
  const fields = {
    error: "x".repeat(3_000_000),
    even: "🚰".repeat(5_000),
    odd: `x${"🚰".repeat(5_000)}`,
    ok: "y".repeat(8192),
  };
  const [line] = await written({ format: "json" }, (log) => log.warn("refused", fields));
  const { error, even, odd, ok } = JSON.parse(line!);
  assertEquals(error, `${"x".repeat(8192)}… and 2991808 more characters`);
  assertEquals(even, `${"🚰".repeat(4096)}… and 1808 more characters`);
  assertEquals(odd, `x${"🚰".repeat(4095)}… and 1810 more characters`);
  assertEquals(ok, fields.ok);
});

Deno.test("a message stays what it is: one line, with its braces", async () => {
  const message = 'a "{name}" of {x}\nand \u2028';
  const [text, ...more] = await written({}, (log) => log.warn(message, { x: 1 }));
  assert(text!.endsWith(String.raw` warn  a "{name}" of {x}\u000aand \u2028 x=1`), text);
  assertEquals(more, []);
  const [json] = await written({ format: "json" }, (log) => log.warn(message, { x: 1 }));
  assertEquals(JSON.parse(json!).message, message);
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

Deno.test("how many lines were dropped is a line in the form of the others, whatever the level", async () => {
  for (const format of ["text", "json"] as const) {
    const texts: string[] = [];
    const taken = Promise.withResolvers<void>();
    const writer = new LineWriter({
      async write(bytes) {
        await taken.promise;
        texts.push(new TextDecoder().decode(bytes));
        return bytes.length;
      },
    });
    await configureLog({ level: "error", format, access: true }, writer);
    const line = "x".repeat(8000);
    for (let i = 0; i < 200; i++) programLog().error("refused", { line });
    taken.resolve();
    await writer.flush();
    const lines = texts.join("").trimEnd().split("\n");
    const last = lines.pop()!;
    const message = "log lines dropped: the log's reader is too slow";
    const count = 200 - lines.length;
    assert(count > 0);
    if (format === "text") assertMatch(last, new RegExp(`^${TIME} warn  ${message} count=${count}$`));
    else {
      const { "@timestamp": time, ...record } = JSON.parse(last);
      assertMatch(time, new RegExp(`^${TIME}$`));
      assertEquals(record, { level: "WARN", message, logger: "culvert", count });
    }
  }
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
