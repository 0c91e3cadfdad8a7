import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { dial, prepareSocket } from "../../src/net/dial.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { memoryPair } from "../support/memory_connection.ts";
import { descriptorLinks } from "../support/proc.ts";
import { Python } from "../support/python.ts";
import { until, untilStill } from "../support/wait.ts";

const never = new AbortController().signal;

function sockets(): number {
  return descriptorLinks(Deno.pid).filter((link) => link.startsWith("socket:")).length;
}

Deno.test("a TCP address is dialled", async () => {
  const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connection = await dial({ kind: "tcp", host: "127.0.0.1", port: backend.addr.port }, never);
  const accepted = await backend.accept();
  await accepted.write(new Uint8Array([7]));
  const buffer = new Uint8Array(2);
  assertEquals([await connection.read(buffer), buffer[0]], [1, 7]);
  connection.close();
  accepted.close();
  backend.close();
});

Deno.test("a host name is dialled by whichever of its addresses answers", async () => {
  const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connection = await dial({ kind: "tcp", host: "localhost", port: backend.addr.port }, never);
  (await backend.accept()).close();
  connection.close();
  backend.close();
});

Deno.test("a unix socket is dialled", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("backend.sock");
  const backend = Deno.listen({ transport: "unix", path });
  const connection = await dial({ kind: "unix", path }, never);
  const accepted = await backend.accept();
  await connection.write(new Uint8Array([7]));
  const buffer = new Uint8Array(2);
  assertEquals([await accepted.read(buffer), buffer[0]], [1, 7]);
  connection.close();
  accepted.close();
  backend.close();
});

Deno.test("small writes are not held back, and a peer that has vanished is noticed", async () => {
  const calls: unknown[][] = [];
  const [connection] = memoryPair();
  prepareSocket(Object.assign(connection, {
    setNoDelay: (on: boolean) => calls.push(["no delay", on]),
    setKeepAlive: (on: boolean) => calls.push(["keep alive", on]),
  }));
  assertEquals(calls, [["no delay", true], ["keep alive", true]]);
  prepareSocket(memoryPair()[0]); // Nothing to set on what is no TCP socket.
  await Promise.resolve();
});

Deno.test("a closed port is the error of the runtime", async () => {
  const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = backend.addr;
  backend.close();
  await assertRejects(
    () => dial({ kind: "tcp", host: "127.0.0.1", port }, never),
    Deno.errors.ConnectionRefused,
  );
  await assertRejects(() => dial({ kind: "unix", path: "/no/such.sock" }, never), Deno.errors.NotFound);
});

Deno.test("a unix socket that was dialled in vain is closed again", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("backend.sock");
  const backend = Deno.listen({ transport: "unix", path });
  const controller = new AbortController();
  const why = new Error("the client has left");
  const dialled = dial({ kind: "unix", path }, controller.signal);
  controller.abort(why);
  assertStrictEquals(await dialled.catch((error) => error), why);
  const accepted = await backend.accept();
  assertEquals(await accepted.read(new Uint8Array(1)), null);
  accepted.close();
  backend.close();
});

testWith(["python3"], "an abort frees what is being dialled at once, and keeps its reason", async () => {
  await using blackhole = new Python(`
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(0)
fill = [socket.socket() for _ in range(4)]
for s in fill:
    s.setblocking(False)
    s.connect_ex(listener.getsockname())
say(str(listener.getsockname()[1]))
hear()`);
  const port = Number(await blackhole.hear());
  await untilStill(sockets, { what: "what earlier tests have left to be closed" });
  const before = sockets();
  const controllers = Array.from({ length: 20 }, () => new AbortController());
  const dialled = controllers.map(({ signal }) => dial({ kind: "tcp", host: "127.0.0.1", port }, signal));
  await until(() => sockets() === before + 20, { what: "twenty sockets to be dialling" });
  const why = new Error("the client has left");
  for (const controller of controllers) controller.abort(why);
  for (const result of await Promise.allSettled(dialled)) {
    assert(result.status === "rejected");
    assertStrictEquals(result.reason, why);
  }
  await until(() => sockets() === before, { what: "the sockets to be closed" });
});
