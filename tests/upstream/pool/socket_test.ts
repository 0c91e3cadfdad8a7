import { assertEquals } from "@std/assert";
import { dial } from "../../../src/net/dial.ts";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import { ConnectionPool } from "../../../src/upstream/pool/pool.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { testWith } from "../../support/installed.ts";
import { Python } from "../../support/python.ts";
import { until } from "../../support/wait.ts";

const never = new AbortController().signal;

/** A backend that ends its connection as it is told, and at the same time becomes a client of `argv[1]`. */
const BACKEND = `
listener = socket.create_server(("127.0.0.1", 0))
say(str(listener.getsockname()[1]))
while True:
    how = hear()
    if how == "":
        break
    if how == "accept":
        connection = listener.accept()[0]
        say(str(connection.getpeername()[1]))
        continue
    client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    reset(connection) if how == "reset" else connection.close()
`;

const ESTABLISHED = "01";

/** Whether the connection of this process with this port still lives, as the system sees it. */
function established(port: number): boolean {
  const local = port.toString(16).toUpperCase().padStart(4, "0");
  const row = new RegExp(`^ *\\d+: \\w+:${local} \\w+:\\w+ ${ESTABLISHED} `, "m");
  return row.test(Deno.readTextFileSync("/proc/self/net/tcp"));
}

/** Holds everything up, as a busy turn of the event loop does, so that the news piles up in the system. */
function blockUntil(condition: () => boolean): void {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 10_000 && !condition(); i++) Atomics.wait(nothing, 0, 0, 1);
}

testWith(
  ["python3"],
  "an idle connection that ends as a client comes is not given to that client",
  async () => {
    const front = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using backend = new Python(BACKEND, front.addr.port);
    const port = Number(await backend.hear());
    const pool = new ConnectionPool({
      dial: (signal) => dial({ kind: "tcp", host: "127.0.0.1", port }, signal),
      wheel: new TimerWheel({ clock: new FakeClock() }),
    });
    for (const how of ["reset", "close", "reset", "close", "reset", "close"]) {
      const first = await pool.acquire({ signal: never });
      await backend.say("accept");
      const own = Number(await backend.hear());
      first.release();
      const accepted = front.accept();
      await backend.say(how);
      blockUntil(() => !established(own));
      (await accepted).close();
      const second = await pool.acquire({ signal: never });
      assertEquals(second.ahead, undefined, "it was handed out though it had ended");
      second.discard();
      await backend.say("accept"); // The one that was dialled in its place.
      await backend.hear();
    }
    assertEquals(pool.stats, { idle: 0, active: 0, waiting: 0, waits: 0 });
    await pool.close();
    front.close();
  },
);

Deno.test("idle connections of real sockets end with their backend, and leave nothing open", async () => {
  const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const pool = new ConnectionPool({
    dial: (signal) => dial({ kind: "tcp", host: "127.0.0.1", port: backend.addr.port }, signal),
    wheel: new TimerWheel({ clock: new FakeClock() }),
  });
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire({ signal: never })));
  const accepted = await Promise.all(leases.map(() => backend.accept()));
  for (const lease of leases) lease.release();
  assertEquals(pool.stats.idle, 3);
  for (const connection of accepted) connection.close();
  await until(() => pool.stats.idle === 0, { what: "the pool to notice" });
  await pool.close();
  backend.close();
});
