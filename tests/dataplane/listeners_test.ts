import { assert, assertEquals, assertRejects } from "@std/assert";
import { Listeners } from "../../src/dataplane/listeners.ts";
import type { ServiceSnapshot } from "../../src/dataplane/snapshot.ts";
import { type Address, parseAddress } from "../../src/net/address.ts";
import type { AcceptedConnection } from "../../src/service/client_handshake.ts";
import type { TcpService } from "../../src/tcp/service.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { until } from "../support/wait.ts";
import { ServiceFixture } from "../tcp/service_fixture.ts";

/** A service that keeps what it is given for the test. */
function recorder(name: string): { service: TcpService; accepted: AcceptedConnection[] } {
  const { service } = new ServiceFixture();
  const accepted: AcceptedConnection[] = [];
  Object.defineProperty(service, "name", { value: name });
  service.serve = (connection) => {
    accepted.push(connection);
    connection.connection.close();
    return Promise.resolve();
  };
  return { service, accepted };
}

function snapshot(name: string, ...listen: string[]): ServiceSnapshot {
  const { timeouts } = new ServiceFixture().serviceOptions();
  const admission = { maxConnections: 0 };
  return { kind: "tcp", name, listen: listen.map(parseAddress), upstream: "db", admission, timeouts };
}

/** Binds and serves, each service by its name. */
async function serve(
  listeners: Listeners,
  snapshots: ServiceSnapshot[],
  services: Record<string, TcpService>,
) {
  using plan = await listeners.prepare(snapshots);
  plan.commit((name) => services[name]!);
}

async function connect(address: Address): Promise<void> {
  const connection = address.kind === "unix"
    ? await Deno.connect({ transport: "unix", path: address.path })
    : await Deno.connect({ hostname: address.host || "127.0.0.1", port: address.port });
  connection.close();
}

Deno.test("what is accepted reaches its service with the client's address and the listener's name", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const listeners = new Listeners({ log: new RecordingLog() });
  const { service, accepted } = recorder("web");
  await serve(listeners, [snapshot("web", ":0", `unix:${path}`)], { web: service });
  const [tcp, unix] = listeners.addresses.get("web")!;
  assert(tcp?.kind === "tcp" && tcp.port > 0 && unix?.kind === "unix");
  await connect(tcp);
  await connect(unix);
  await until(() => accepted.length === 2, { what: "both connections" });
  const byListener = new Map(accepted.map(({ listener, address }) => [listener, address]));
  assertEquals(byListener.get(`:${tcp.port}`)!.ip, "127.0.0.1");
  assertEquals(byListener.get(`unix:${path}`), { ip: "unix", port: 0 });
  await listeners.close();
  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  await assertRejects(() => connect(tcp));
});

Deno.test("a listener may move to another service without being closed", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const log = new RecordingLog();
  const listeners = new Listeners({ log });
  const [one, other] = [recorder("one"), recorder("other")];
  const services = { one: one.service, other: other.service };
  await serve(listeners, [snapshot("one", `unix:${path}`)], services);
  await connect({ kind: "unix", path });
  await until(() => one.accepted.length === 1, { what: "the first connection" });
  await serve(listeners, [snapshot("other", `unix:${path}`)], services);
  assertEquals([addressesOf(listeners, "one").length, addressesOf(listeners, "other").length], [0, 1]);
  await connect({ kind: "unix", path });
  await until(() => other.accepted.length === 1, { what: "the second connection" });
  assertEquals(log.messages, ["listening"]);
  await listeners.close();
  assertEquals(log.messages, ["listening", "stopped listening"]);
});

Deno.test("a port that was picked stays with its service, whatever other services come and go", async () => {
  const listeners = new Listeners({ log: new RecordingLog() });
  const services = { one: recorder("one").service, other: recorder("other").service };
  await serve(listeners, [snapshot("one", "127.0.0.1:0")], services);
  const before = addressesOf(listeners, "one");
  await serve(listeners, [snapshot("other", "127.0.0.1:0"), snapshot("one", "127.0.0.1:0")], services);
  assertEquals(addressesOf(listeners, "one"), before);
  assertEquals(addressesOf(listeners, "other").length, 1);
  await serve(listeners, [snapshot("one", "127.0.0.1:0")], services);
  assertEquals([addressesOf(listeners, "one"), addressesOf(listeners, "other")], [before, []]);
  await listeners.close();
});

Deno.test("when one address can't be bound, those bound for the same change are let go", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listeners = new Listeners({ log: new RecordingLog() });
  const snapshots = [snapshot("web", `unix:${path}`, `127.0.0.1:${taken.addr.port}`)];
  await assertRejects(() => listeners.prepare(snapshots));
  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  taken.close();
});

Deno.test("a plan that is not committed binds nothing for long", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const listeners = new Listeners({ log: new RecordingLog() });
  {
    using _plan = await listeners.prepare([snapshot("web", `unix:${path}`)]);
    assert((await Deno.lstat(path)).isSocket);
  }
  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  assertEquals(listeners.addresses.size, 0);
});

function addressesOf(listeners: Listeners, service: string): readonly Address[] {
  return listeners.addresses.get(service) ?? [];
}
