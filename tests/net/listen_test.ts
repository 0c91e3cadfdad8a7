import { assert, assertEquals, assertRejects } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { type BoundListener, listen } from "../../src/net/listen.ts";
import { TemporaryFolder } from "../support/folder.ts";

/** The port that was picked. */
function portOf(listener: BoundListener): number {
  assert(listener.address.kind === "tcp" && listener.address.port > 0);
  return listener.address.port;
}

/** Connects, and says from where the listener sees it. */
async function seenFrom(listener: BoundListener, hostname: string): Promise<string> {
  const client = await Deno.connect({ hostname, port: portOf(listener) });
  const accepted = await listener.accept();
  client.close();
  accepted.close();
  return (accepted.remoteAddr as Deno.NetAddr).hostname;
}

async function refused(promise: Promise<BoundListener>, message: string): Promise<void> {
  const error = await assertRejects(() => promise, CulvertError, message);
  assertEquals(error.code, "listen_failed");
  assert(error.cause instanceof Error);
}

Deno.test("port 0 picks a free port and tells which", async () => {
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
  assertEquals(await seenFrom(listener, "127.0.0.1"), "127.0.0.1");
  listener.close();
  await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port: portOf(listener) }));
});

Deno.test("an address without a host takes clients of both families, on one port", async () => {
  const listener = await listen({ kind: "tcp", host: "", port: 0 });
  assertEquals(await seenFrom(listener, "127.0.0.1"), "::ffff:127.0.0.1");
  assertEquals(await seenFrom(listener, "::1"), "::1");
  listener.close();
});

Deno.test("an IPv6 address takes its own clients", async () => {
  const listener = await listen({ kind: "tcp", host: "::1", port: 0 });
  assertEquals(await seenFrom(listener, "::1"), "::1");
  listener.close();
});

Deno.test("an address in use is refused, with all addresses of its port", async () => {
  const listener = await listen({ kind: "tcp", host: "", port: 0 });
  const port = portOf(listener);
  await refused(
    listen({ kind: "tcp", host: "127.0.0.1", port }),
    `"127.0.0.1:${port}": the address is in use`,
  );
  await refused(
    listen({ kind: "tcp", host: "", port }),
    `Cannot listen on ":${port}": the address is in use`,
  );
  listener.close();
});

Deno.test("an address that is not this machine's is refused, and says which", async () => {
  const address = { kind: "tcp", host: "192.0.2.1", port: 0 } as const;
  await refused(listen(address), `Cannot listen on "192.0.2.1:0": `);
  await refused(listen(address, { who: "service web" }), "this machine does not have it (service web)");
});

Deno.test("a unix socket is its owner's alone, carries connections, and is gone at the end", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const listener = await listen({ kind: "unix", path });
  const info = await Deno.lstat(path);
  assertEquals([info.isSocket, info.mode! & 0o777], [true, 0o600]);
  assertEquals(listener.address, { kind: "unix", path });
  const client = await Deno.connect({ transport: "unix", path });
  (await listener.accept()).close();
  client.close();
  listener.close();
  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
});

Deno.test("a unix socket that a dead process has left behind is replaced", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const other = Deno.listen({ transport: "unix", path: folder.file("other.sock") });
  await Deno.rename(folder.file("other.sock"), path); // Its end removes the name that it knows, and leaves this.
  other.close();
  await assertRejects(() => Deno.connect({ transport: "unix", path }), Deno.errors.ConnectionRefused);
  const listener = await listen({ kind: "unix", path });
  const client = await Deno.connect({ transport: "unix", path });
  (await listener.accept()).close();
  client.close();
  listener.close();
});

Deno.test("a unix socket that is alive is refused and goes on", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const first = await listen({ kind: "unix", path });
  await refused(listen({ kind: "unix", path }), `Cannot listen on "unix:${path}": the address is in use`);
  (await first.accept()).close(); // The question whether it lives.
  const client = await Deno.connect({ transport: "unix", path });
  (await first.accept()).close();
  client.close();
  first.close();
});

Deno.test("a file that is no socket, or leads to one, is refused and left as it is", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("precious");
  await Deno.writeTextFile(path, "data");
  await refused(listen({ kind: "unix", path }), "exists and is not a socket");
  assertEquals(await Deno.readTextFile(path), "data");
  await Deno.symlink(path, folder.file("link"));
  await refused(listen({ kind: "unix", path: folder.file("link") }), "exists and is not a socket");
});

Deno.test("a unix socket in a folder that is not there is refused", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("no/such.sock");
  await refused(listen({ kind: "unix", path }), `Cannot listen on "unix:${path}": `);
});
