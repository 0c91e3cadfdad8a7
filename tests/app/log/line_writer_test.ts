import { assert, assertEquals } from "@std/assert";
import { LineWriter } from "../../../src/app/log/line_writer.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { settle } from "../../support/settle.ts";

/** Takes at most `most` bytes at a time, as soon as the test says so. */
function target(most = Infinity) {
  const writes: string[] = [];
  let turn: PromiseWithResolvers<number> | undefined;
  let offered = 0;
  return {
    writes,
    write(bytes: Uint8Array): Promise<number> {
      offered = Math.min(bytes.length, most);
      writes.push(new TextDecoder().decode(bytes.subarray(0, offered)));
      turn = Promise.withResolvers();
      return turn.promise;
    },
    async take() {
      turn!.resolve(offered);
      await settle();
    },
    async fail() {
      turn!.reject(new Deno.errors.BrokenPipe("the pipe is closed"));
      await settle();
    },
  };
}

Deno.test("lines of one turn go out together, those of the next 10 ms with the next write", async () => {
  const out = target();
  const clock = new FakeClock();
  const writer = new LineWriter(out, { clock });
  writer.write("a\n");
  writer.write("b\n");
  await settle();
  writer.write("c\n");
  writer.write("d\n");
  await settle();
  assertEquals(out.writes, ["a\nb\n"]);
  await out.take();
  clock.advance(9);
  await settle();
  assertEquals(out.writes, ["a\nb\n"]);
  clock.advance(1);
  await settle();
  assertEquals(out.writes, ["a\nb\n", "c\nd\n"]);
  await out.take();
  clock.advance(10);
  writer.write("e\n");
  await settle();
  assertEquals(out.writes.at(-1), "e\n");
  await out.take();
});

Deno.test("many lines do not wait for more", async () => {
  const out = target();
  const clock = new FakeClock();
  const writer = new LineWriter(out, { clock });
  writer.write("a\n");
  await settle();
  await out.take();
  const line = `${"x".repeat(1023)}\n`;
  for (let i = 0; i < 31; i++) writer.write(line);
  await settle();
  assertEquals(out.writes.length, 1);
  writer.write(line);
  await settle();
  assertEquals(out.writes[1], line.repeat(32));
  await out.take();
  assertEquals(clock.pending, 0);
});

Deno.test("flush does not wait for more lines", async () => {
  const out = target();
  const writer = new LineWriter(out, { clock: new FakeClock() });
  writer.write("a\n");
  await settle();
  await out.take();
  writer.write("b\n");
  await settle();
  assertEquals(out.writes, ["a\n"]);
  const flush = writer.flush();
  await settle();
  assertEquals(out.writes, ["a\n", "b\n"]);
  await out.take();
  await flush;
});

Deno.test("a target that takes only some of a write is given the rest", async () => {
  const out = target(3);
  const writer = new LineWriter(out);
  writer.write("12345\n");
  await settle();
  await out.take();
  await out.take();
  assertEquals(out.writes, ["123", "45\n"]);
});

Deno.test("flush ends when everything so far has been written, and at once if there is nothing", async () => {
  const out = target();
  const writer = new LineWriter(out);
  await writer.flush();
  writer.write("a\n");
  let flushed = false;
  const flush = writer.flush().then(() => flushed = true);
  await settle();
  assertEquals(flushed, false);
  await out.take();
  await flush;
});

Deno.test("flush does not wait for ever for a target that is stuck", async () => {
  const out = target();
  const writer = new LineWriter(out);
  writer.write("a\n");
  await writer.flush(1);
  assertEquals(out.writes, ["a\n"]);
  await out.take();
});

Deno.test("a target that is stuck costs a bounded amount of memory, and gets the number of dropped lines", async () => {
  const out = target();
  const clock = new FakeClock();
  const writer = new LineWriter(out, { clock });
  writer.write("first\n");
  await settle();
  const line = `${"x".repeat(1023)}\n`;
  for (let i = 0; i < 1500; i++) writer.write(line);
  await out.take();
  const missed = "476 log lines dropped: the log's reader is too slow\n";
  assert(out.writes[1] === line.repeat(1024) + missed);
  await out.take();
  clock.advance(10);
  writer.write("last\n");
  await settle();
  await out.take();
  assertEquals(out.writes.slice(2), ["last\n"]);
});

Deno.test("a closed log target stops no caller, and is tried again with the next line", async () => {
  const out = target();
  const clock = new FakeClock();
  const writer = new LineWriter(out, { clock });
  writer.write("lost\n");
  await settle();
  await out.fail();
  clock.advance(10);
  writer.write("found\n");
  await settle();
  assertEquals(out.writes, ["lost\n", "found\n"]);
  await out.take();
  await writer.flush();
});

Deno.test("a line keeps its characters, whichever they are", async () => {
  const written: Uint8Array[] = [];
  const writer = new LineWriter({
    write(bytes) {
      written.push(bytes.slice());
      return Promise.resolve(bytes.length);
    },
  });
  writer.write("grüße 🚰\n");
  await writer.flush();
  assert(new TextDecoder().decode(written[0]) === "grüße 🚰\n");
});
