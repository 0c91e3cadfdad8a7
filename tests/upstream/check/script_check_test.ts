import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { dial } from "../../../src/net/dial.ts";
import { parseAddress } from "../../../src/net/address.ts";
import { CheckFailedError } from "../../../src/upstream/check/check.ts";
import { ScriptCheck } from "../../../src/upstream/check/script_check.ts";
import type { ScriptStep } from "../../../src/upstream/check/script_steps.ts";
import { type Handler, silent, startResetting } from "../../support/peers.ts";
import { until } from "../../support/wait.ts";
import {
  ANYWHERE,
  drain,
  memoryDial,
  NEVER,
  readUntil,
  sendInPieces,
  startChecked,
} from "./check_fixture.ts";

/** What a script makes of what a backend says by itself, in pieces of so many characters. */
async function outcome(steps: readonly ScriptStep[], text: string, size = 1000): Promise<string> {
  const { dial, near, far } = memoryDial({ capacity: size });
  const running = new ScriptCheck({ dial, steps }).run(ANYWHERE, NEVER);
  const sending = sendInPieces(far, { text, size });
  try {
    return (await running).detail;
  } catch (error) {
    if (!(error instanceof CheckFailedError)) throw error;
    return error.message;
  } finally {
    await sending;
    assertEquals(near.closed, true);
  }
}

Deno.test("what is sent arrives, in the order of the steps, and each answer is waited for", async () => {
  const heard: string[] = [];
  const talk: Handler = async (connection) => {
    const say = (text: string) => connection.write(new TextEncoder().encode(text));
    await say("220 ready\r\n");
    heard.push(await readUntil(connection, "\r\n"));
    await say("250 welcome\r\n");
    heard.push(await readUntil(connection, "\0\xff"));
    await say("221 bye\r\n");
    await drain(connection);
  };
  using backend = startChecked(talk);
  const steps = [
    { expect: "220 " },
    { send: "EHLO für\r\n" },
    { expectHex: "32 35 30 20" },
    { sendHex: "0D0a 00C3bf" },
    { expect: "221 " },
  ];
  assertEquals(await new ScriptCheck({ dial, steps }).run(backend.at, NEVER), { detail: "script done" });
  assertEquals(heard, ["EHLO für\r\n", "\r\n\0\xff"]);
});

Deno.test("what is expected may stand anywhere in what comes, and in any pieces", async () => {
  for (const size of [1, 2, 3, 5, 100]) {
    assertEquals(await outcome([{ expect: "aab" }], "--aaab--", size), "script done");
    assertEquals(await outcome([{ expectHex: "616162" }, { expect: "--" }], "aab--", size), "script done");
  }
});

Deno.test("what has been met is used up, with all in front of it, and nothing else is", async () => {
  assertEquals(await outcome([{ expect: "a" }, { expect: "b" }, { expect: "a" }], "xaxxbxa"), "script done");
  const again = 'step 2, "a", was not met before the connection was closed: received "bc"';
  assertEquals(await outcome([{ expect: "a" }, { expect: "a" }], "abc"), again);
  const passed = 'step 2, "x", was not met before the connection was closed: received "bc"';
  assertEquals(await outcome([{ expect: "a" }, { expect: "x" }], "xabc"), passed);
  const nothing = 'step 2, "b", was not met before the connection was closed: nothing was received';
  assertEquals(await outcome([{ expect: "ab" }, { expect: "b" }], "ab"), nothing);
});

Deno.test("sending uses up nothing of what has come already", async () => {
  const { dial, far } = memoryDial();
  await far.send("one two");
  const steps = [{ expect: "one" }, { send: "x" }, { expect: "two" }];
  assertEquals((await new ScriptCheck({ dial, steps }).run(ANYWHERE, NEVER)).detail, "script done");
});

Deno.test("the end of the stream before what is expected is a failure that quotes what came", async () => {
  const steps = [{ send: "PING\r\n" }, { expect: "+PONG" }];
  const seen = 'step 2, "+PONG", was not met before the connection was closed: ';
  assertEquals(await outcome(steps, ""), `${seen}nothing was received`);
  assertEquals(await outcome(steps, "+PON"), `${seen}received "+PON"`);
  assertEquals(
    await outcome(steps, "\x1b[2J\xe4\r\n"),
    `${seen}received "\\u001b[2J\\u00c3\\u00a4\\r\\n"`,
  );
  assertEquals(await outcome(steps, "x".repeat(3000)), `${seen}received "${"x".repeat(80)}…"`);
});

Deno.test("64 KiB may come for each step, and no byte more", async () => {
  const before = (count: number) => "x".repeat(count);
  const once = [{ expect: "ok" }];
  assertEquals(await outcome(once, `${before(65_534)}ok`), "script done");
  const seen = `step 1, "ok", was not met in 65536 bytes: received "${before(80)}…"`;
  assertEquals(await outcome(once, `${before(65_535)}ok`), seen);
  const twice = [...once, ...once, { expectHex: "6F 6B" }];
  assertEquals(await outcome(twice, `${before(65_534)}ok`.repeat(3), 4096), "script done");
});

Deno.test("a connection that breaks is a failed check, and a failed dial has its own error", async () => {
  await using backend = await startResetting();
  const check = new ScriptCheck({ dial, steps: [{ send: "x" }, { expect: "y" }] });
  const broke = "the connection broke: ";
  await assertRejects(() => check.run(parseAddress(backend.address), NEVER), CheckFailedError, broke);
  await assertRejects(() => check.run(parseAddress("127.0.0.1:1"), NEVER), Deno.errors.ConnectionRefused);
});

Deno.test("the signal ends a check that waits for an answer, and closes its connection", async () => {
  using backend = startChecked(silent);
  const stop = new AbortController();
  const running = new ScriptCheck({ dial, steps: [{ expect: "x" }] }).run(backend.at, stop.signal);
  await until(() => backend.live.size === 1, { what: "the check to connect" });
  const reason = new Error("too late");
  stop.abort(reason);
  assertStrictEquals(await running.catch((error) => error), reason);
  await until(() => backend.live.size === 0, { what: "the connection to be closed" });
});

Deno.test("the signal ends a check whose backend does not read", async () => {
  const held = Promise.withResolvers<void>();
  using backend = startChecked(() => held.promise);
  const stop = new AbortController();
  const steps = [{ send: "x".repeat(32 * 1024 * 1024) }, { expect: "x" }];
  const writing = Promise.withResolvers<void>();
  const check = new ScriptCheck({
    steps,
    dial: async (address, signal) => {
      const connection = await dial(address, signal);
      const { write } = connection;
      connection.write = (bytes) => {
        // The first write takes what there is room for; the next one waits.
        if (bytes.length < steps[0]!.send!.length) writing.resolve();
        return write.call(connection, bytes);
      };
      return connection;
    },
  });
  const running = check.run(backend.at, stop.signal);
  await writing.promise;
  const reason = new Error("too late");
  stop.abort(reason);
  assertStrictEquals(await running.catch((error) => error), reason);
  held.resolve();
});

Deno.test("many checks of one script may be under way at once", async () => {
  const name: Handler = async (connection) => {
    const heard = await readUntil(connection, "\n");
    await connection.write(new TextEncoder().encode(heard));
    await drain(connection);
  };
  using backend = startChecked(name);
  const check = new ScriptCheck({ dial, steps: [{ send: "hello\n" }, { expect: "hello\n" }] });
  const reports = await Promise.all(Array.from({ length: 50 }, () => check.run(backend.at, NEVER)));
  assertEquals(new Set(reports.map(({ detail }) => detail)), new Set(["script done"]));
});
