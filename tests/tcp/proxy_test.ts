import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import type { Acceptor } from "../../src/net/accept_loop.ts";
import { formatAddress } from "../../src/net/address.ts";
import type { Connection } from "../../src/net/connection.ts";
import { TcpProxy } from "../../src/tcp/proxy.ts";
import type { BackendInput, TcpProxyOptions } from "../../src/tcp/proxy_options.ts";
import { callbackSource, type Publish } from "../../src/upstream/discover/callback_source.ts";
import { readText } from "../support/bytes.ts";
import { type MemoryConnection, memoryPair } from "../support/memory_connection.ts";
import { until } from "../support/wait.ts";

/** A listener in memory: `connect` is a client's end. */
class MemoryListener implements Acceptor<Connection> {
  readonly #waiting: PromiseWithResolvers<Connection>[] = [];
  readonly #queue: Connection[] = [];
  #closed = false;

  connect(): MemoryConnection {
    const [near, far] = memoryPair();
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting.resolve(far);
    else this.#queue.push(far);
    return near;
  }

  accept(): Promise<Connection> {
    if (this.#closed) return Promise.reject(new Error("closed"));
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    const waiting = Promise.withResolvers<Connection>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  close(): void {
    this.#closed = true;
    for (const waiting of this.#waiting) waiting.reject(new Error("closed"));
  }
}

/** A proxy of which everything is in memory. Each backend greets with its address and echoes nothing. */
function setUp(backends: TcpProxyOptions["backends"]) {
  const listener = new MemoryListener();
  const served: MemoryConnection[] = [];
  const proxy = new TcpProxy(listener, {
    backends,
    dial(address) {
      const [near, far] = memoryPair();
      served.push(far);
      void far.send(formatAddress(address));
      return Promise.resolve(near);
    },
  });
  return { listener, proxy, served };
}

/** Lets everything that is ready happen. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("a proxy spreads over the backends by weight, with any listener and any dialler", async () => {
  const { listener, proxy } = setUp([{ address: "a:1", weight: 5 }, "b:1", { address: "c:1" }]);
  const greetings: (string | null)[] = [];
  for (let i = 0; i < 7; i++) greetings.push(await listener.connect().receive());
  assertEquals(greetings.map((greeting) => greeting?.[0]).join(" "), "a a b a c a a");
  assertEquals(proxy.stats.active, 7);
  assertEquals(proxy.stats.backends.map(({ address, active }) => `${address} ${active}`), [
    "a:1 5",
    "b:1 1",
    "c:1 1",
  ]);
  await proxy.destroy();
  assertEquals(proxy.stats.active, 0);
  assertEquals(proxy.stats.ended, { cut: 7 });
});

Deno.test("connections to a removed backend end, others continue", async () => {
  const { listener, proxy } = setUp(["a:1", "b:1"]);
  const [first, second] = [listener.connect(), listener.connect()];
  assertEquals([await first.receive(), await second.receive()], ["a:1", "b:1"]);
  proxy.updateBackends(["b:1", "c:1"]);
  assertEquals(await first.receive(), null);
  await settle();
  await second.send("still there");
  assertEquals(proxy.stats.ended, { "backend-removed": 1 });
  assertEquals(proxy.stats.active, 1);
  await proxy.destroy();
});

Deno.test("a provider may change the set at any time, and its failure keeps the last one", async () => {
  const changes: PromiseWithResolvers<readonly BackendInput[]>[] = [0, 1, 2].map(() =>
    Promise.withResolvers()
  );
  async function* provider() {
    for (const change of changes) yield await change.promise;
  }
  const { listener, proxy } = setUp(provider());
  assertEquals(await readText(listener.connect()), "");
  await settle();
  assertEquals(proxy.stats.ended, { "no-backend": 1 });

  changes[0]!.resolve(["a:1"]);
  await settle();
  const first = listener.connect();
  assertEquals(await first.receive(), "a:1");

  changes[1]!.resolve(["b:1"]);
  assertEquals(await first.receive(), null);
  assertEquals(await listener.connect().receive(), "b:1");

  changes[2]!.reject(new Error("the provider's source has gone"));
  await settle();
  assertEquals(await listener.connect().receive(), "b:1");
  await proxy.destroy();
});

Deno.test("a source of backends is followed, asked again by a refresh, and let go at the end", async () => {
  let publish: Publish = () => {};
  let [subscribed, ended] = [0, 0];
  const source = callbackSource((given) => {
    subscribed++;
    publish = given;
    return () => void ended++;
  });
  const { listener, proxy } = setUp(source);
  const at = (host: string) => ({
    address: { kind: "tcp", host, port: 1 } as const,
    weight: 1,
    maxConnections: 0,
    backup: false,
  });
  await settle();
  publish([at("a")]);
  await settle();
  const client = listener.connect();
  assertEquals(await client.receive(), "a:1");
  publish([at("b")]);
  assertEquals(await client.receive(), null);
  assertEquals(await listener.connect().receive(), "b:1");
  proxy.refreshBackends();
  await settle();
  publish([at("c")]);
  await settle();
  assertEquals(await listener.connect().receive(), "c:1");
  await proxy.destroy();
  assertEquals([subscribed, ended], [2, 2]);
});

Deno.test("backends that are checked and down get nothing, and their connections end if that is wanted", async () => {
  const good = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const bad = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    for await (const connection of good) connection.close();
  })().catch(() => {});
  const addresses = [bad, good].map(({ addr }) => `127.0.0.1:${(addr as Deno.NetAddr).port}`);
  bad.close();
  const listener = new MemoryListener();
  const proxy = new TcpProxy(listener, {
    backends: addresses,
    balance: "first",
    health: { type: "tcp" },
    dial(address) {
      const [near, far] = memoryPair();
      void far.send(formatAddress(address));
      return Promise.resolve(near);
    },
  });
  await until(() => proxy.stats.backends[0]!.state === "down", { what: "the check" });
  assertEquals(await listener.connect().receive(), addresses[1]);
  await proxy.destroy();
  good.close();
  await accepting;
});

Deno.test("close lets connections finish, and resolves to the number that were cut", async () => {
  const { listener, proxy, served } = setUp(["a:1"]);
  const client = listener.connect();
  assertEquals(await client.receive(), "a:1");
  const closed = proxy.close();
  await served[0]!.send("the rest");
  await served[0]!.closeWrite();
  assertEquals(await readText(client), "the rest");
  await client.closeWrite();
  assertEquals(await closed, 0);
  assertEquals(proxy.stats.ended, { drained: 1 });
});

Deno.test("a bad address is refused before anything changes", async () => {
  const { listener, proxy } = setUp(["a:1"]);
  assertThrows(
    () => proxy.updateBackends(["b:1", "nonsense"]),
    CulvertError,
    'Cannot read address "nonsense"',
  );
  assertEquals(await listener.connect().receive(), "a:1");
  await proxy.destroy();
});
