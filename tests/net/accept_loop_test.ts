import { assert, assertEquals } from "@std/assert";
import { AcceptLoop, type Acceptor } from "../../src/net/accept_loop.ts";
import { listen } from "../../src/net/listen.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { testWith } from "../support/installed.ts";
import { Python } from "../support/python.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { settle } from "../support/settle.ts";

type Step = string | Error;

const noDescriptors = () => Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
const resetBefore = () => new Deno.errors.NotConnected("Transport endpoint is not connected (os error 107)");

/** Accepts what the test has put into its queue, and counts how often it is asked. */
class ScriptedAcceptor implements Acceptor<string> {
  readonly queue: Step[] = [];
  asked = 0;
  closed = false;
  #waiting: PromiseWithResolvers<string> | undefined;

  accept(): Promise<string> {
    this.asked++;
    const step = this.queue.shift();
    if (typeof step === "string") return Promise.resolve(step);
    if (step !== undefined) return Promise.reject(step);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** Gives `step` to the call that waits. */
  arrive(step: Step): void {
    if (typeof step === "string") this.#waiting!.resolve(step);
    else this.#waiting!.reject(step);
  }

  close(): void {
    this.closed = true;
    this.#waiting?.reject(new Deno.errors.BadResource("Listener has been closed"));
  }
}

function setUp(...queue: Step[]) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const acceptor = new ScriptedAcceptor();
  acceptor.queue.push(...queue);
  const accepted: string[] = [];
  const onConnection = (connection: string) => void accepted.push(connection);
  const loop = new AcceptLoop(acceptor, { onConnection, name: ":80", clock, log });
  return { clock, log, acceptor, accepted, loop };
}

Deno.test("every connection is handed over, in order, until the loop is closed", async () => {
  const { acceptor, accepted, loop, log } = setUp("a", "b");
  await settle();
  acceptor.arrive("c");
  await settle();
  assertEquals(accepted, ["a", "b", "c"]);
  loop.close();
  loop.close();
  await loop.done;
  assert(acceptor.closed);
  assertEquals(log.lines, []);
});

Deno.test("connections that are reset before they are accepted delay no other connection, however many they are", async () => {
  const resets = Array.from({ length: 1000 }, resetBefore);
  const { accepted, loop, clock, log } = setUp("a", ...resets, "b");
  await settle();
  assertEquals(accepted, ["a", "b"]);
  assertEquals([clock.now(), clock.pending], [0, 0]);
  assertEquals(log.lines.length, 1);
  loop.close();
  await loop.done;
});

Deno.test("when descriptors run out the loop waits, longer each time up to a second, and goes on", async () => {
  const { clock, acceptor, accepted, loop } = setUp(...Array.from({ length: 60 }, noDescriptors), "a");
  const asked: number[] = [];
  for (let second = 0; second < 90 && accepted.length === 0; second++) {
    const before = acceptor.asked;
    await clock.advanceAsync(1000);
    asked.push(acceptor.asked - before);
  }
  assertEquals(accepted, ["a"]);
  assert(asked[0]! <= 10, `asked ${asked[0]} times in the first second`);
  assert(asked.slice(1).every((count) => count <= 3), `asked ${asked} times in each second`);
  assert(asked.slice(0, -1).every((count) => count >= 1), `asked ${asked} times in each second`);
  loop.close();
  await loop.done;
});

Deno.test("after a success the backoff starts again", async () => {
  const { clock, acceptor, accepted, loop } = setUp(...Array.from({ length: 20 }, noDescriptors), "a");
  for (let i = 0; i < 40 && accepted.length === 0; i++) await clock.advanceAsync(1000);
  acceptor.arrive(noDescriptors());
  acceptor.queue.push("b");
  await clock.advanceAsync(5);
  assertEquals(accepted, ["a", "b"]);
  loop.close();
  await loop.done;
});

Deno.test("failures are logged once a second at most, with the listener's name", async () => {
  const { clock, log, loop } = setUp(...Array.from({ length: 60 }, noDescriptors));
  await clock.advanceAsync(10_000);
  assert(log.lines.length >= 5 && log.lines.length <= 11, `${log.lines.length} lines in ten seconds`);
  const [first] = log.lines;
  assertEquals([first!.level, first!.message], ["warn", "cannot accept a connection"]);
  assertEquals(first!.fields.listener, ":80");
  assertEquals(first!.fields.error, "Too many open files (os error 24)");
  loop.close();
  await loop.done;
});

Deno.test("closing ends a pause at once, and leaves no timer", async () => {
  const { clock, loop } = setUp(...Array.from({ length: 10 }, noDescriptors));
  await settle();
  assertEquals(clock.pending, 1);
  loop.close();
  await loop.done;
  assertEquals(clock.pending, 0);
});

testWith(
  ["python3"],
  "a hundred real resets before accept end nothing: the next client is served at once",
  async () => {
    const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
    assert(listener.address.kind === "tcp");
    await using client = new Python(
      `
address = ("127.0.0.1", int(sys.argv[1]))
for i in range(100):
    reset(socket.create_connection(address))
last = socket.create_connection(address)
say("done")
hear()
last.close()`,
      listener.address.port,
    );
    await client.hear();
    const log = new RecordingLog();
    const clock = new FakeClock();
    const served = Promise.withResolvers<Deno.Conn>();
    const loop = new AcceptLoop<Deno.Conn>(listener, { onConnection: served.resolve, log, clock });
    (await served.promise).close();
    assertEquals(log.messages, ["cannot accept a connection"]);
    loop.close();
    await loop.done;
  },
);
