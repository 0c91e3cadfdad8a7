import { assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { AdminClient } from "../support/admin_client.ts";
import { run } from "../support/child.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { connect, echo, ending, exchange, startBackend } from "../support/peers.ts";
import { type Culvert, DENO, HEAD, MAIN, startCulvert } from "../support/program.ts";
import { within } from "../support/wait.ts";

const CLOSED = { message: "connection closed", reason: "connect-failed" };

/** A service as YAML, with an upstream of its own. */
function service(name: string, listen: string, upstream: string): string {
  return `  - {name: ${name}, listen: [${JSON.stringify(listen)}], upstream: {${upstream}}}\n`;
}

/** An address of this machine that is not loopback, where it has one. */
function ownAddress(): string | undefined {
  return Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  )
    ?.address;
}

/** Connects, and waits until the service has given up; returns what its line says. */
async function giveUp(culvert: Culvert, name: string, client: Deno.Conn): Promise<string> {
  await client.write(new TextEncoder().encode("x")).catch(() => {}); // It may have been refused already.
  await within(ending(client), { what: `the end of a connection to ${name}` });
  client.close();
  return String((await culvert.waitFor({ ...CLOSED, service: name })).error);
}

Deno.test("a backend that leads back to the program is not used, however it is written, and others go on", async () => {
  using backend = startBackend(echo);
  await using folder = new TemporaryFolder();
  const [self, all, there, back, tls, admin] = Array.from({ length: 6 }, freePort);
  const socket = folder.file("self.sock");
  const own = ownAddress();
  const looping = [
    service("self", `127.0.0.1:${self}`, `backends: ["127.0.0.1:${self}"]`),
    service("all", `:${all}`, `backends: ["localhost:${all}"]`),
    service("there", `127.0.0.1:${there}`, `backends: ["127.0.0.1:${back}"]`),
    service("back", `127.0.0.1:${back}`, `backends: ["0.0.0.0:${there}"]`),
    service("tls", `127.0.0.1:${tls}`, `tls: {verify: false}, backends: ["127.0.0.1:${tls}"]`),
    service("path", `unix:${socket}`, `backends: ["unix:${socket}"]`),
    service("operator", "127.0.0.1:0", `backends: ["127.0.0.1:${admin}"]`),
  ];
  const config = `${HEAD}admin: {listen: "127.0.0.1:${admin}"}\nservices:\n${looping.join("")}` +
    service("good", "127.0.0.1:0", `backends: ["${backend.address}"]`) +
    service("chain", "127.0.0.1:0", `backends: ["127.0.0.1:${self}"]`);

  await using culvert = await startCulvert(config);
  const names = ["self", "all", "there", "back", "tls", "operator"];
  for (const name of names) {
    const error = await giveUp(culvert, name, await connect(culvert.port(name)));
    assertMatch(
      error,
      /as a backend: (service \w+ listens there, which leads|the admin API listens there)/,
      name,
    );
    const warned = culvert.found({ level: "WARN" }).filter(({ message }) =>
      String(message).startsWith(`upstream ${name}: Cannot use`)
    );
    assertEquals(warned.length, 1, name);
  }
  assertStringIncludes(
    await giveUp(culvert, "path", await Deno.connect({ transport: "unix", path: socket })),
    "leads to this upstream itself",
  );
  // Each client has made one connection, and no other.
  for (const name of names) assertEquals(culvert.found({ ...CLOSED, service: name }).length, 1, name);
  using client = await connect(culvert.port("good"));
  assertEquals(await exchange(client, "hello"), "hello");

  // A service may lead to another one; that this one leads to itself is not its fault.
  const chained = await connect(culvert.port("chain"));
  await ending(chained);
  chained.close();
  assertEquals(culvert.found({ ...CLOSED, service: "chain" }), []);
  if (own !== undefined) {
    const { code, stderr } = await run(DENO, [
      "run",
      "--no-prompt",
      "--allow-read",
      MAIN,
      "check",
      "--config",
      culvert.file,
    ]);
    assertEquals(code, 0);
    assertStringIncludes(stderr, 'upstream self: Cannot use "127.0.0.1:');
  }
  client.close();
  await culvert.finish();
});

Deno.test("what discovery or the admin API brings does not lead back, port 0 included", async () => {
  using backend = startBackend(echo);
  await using folder = new TemporaryFolder();
  const file = folder.file("backends.yaml");
  await Deno.writeTextFile(file, `- ${backend.address}\n`);
  const config = `${HEAD}admin: {listen: "127.0.0.1:0"}\nservices:\n` +
    service("found", "127.0.0.1:0", `discover: {file: ${JSON.stringify(file)}}`) +
    service("listed", "127.0.0.1:0", `backends: ["${backend.address}"]`);
  await using culvert = await startCulvert(config, { readable: [folder.path] });
  using admin = new AdminClient(culvert);
  await admin.ready();

  await Deno.writeTextFile(file, `- 127.0.0.1:${culvert.port("found")}\n- ${backend.address}\n`);
  const left = await culvert.waitFor({
    message: "discovered backend ignored: it leads back to this program",
  });
  assertEquals(left.backend, `127.0.0.1:${culvert.port("found")}`);
  const put = await admin.ask("/api/upstreams/listed/backends", {
    method: "PUT",
    body: [`localhost:${culvert.port("listed")}`],
  });
  assertEquals(put.status, 409);
  assertStringIncludes(
    put.json.error.message,
    "service listed listens there, which leads to this upstream itself",
  );
  for (const name of ["found", "listed"]) {
    using client = await connect(culvert.port(name));
    assertEquals(await exchange(client, "hello"), "hello");
  }
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test(
  "an address of this machine that a listener on all addresses answers is known once a client came in there",
  {
    ignore: ownAddress() === undefined,
  },
  async () => {
    const port = freePort();
    const config = `${HEAD}services:\n` +
      service("all", `0.0.0.0:${port}`, `retries: 0, backends: ["${ownAddress()}:${port}"]`);
    await using culvert = await startCulvert(config);
    for (let i = 0; i < 5; i++) {
      using client = await connect(port);
      await client.write(new TextEncoder().encode("x")).catch(() => {}); // It may have been refused already.
      await within(ending(client), { what: "the end of the connection" });
    }
    await culvert.waitFor({ message: "connection closed" }, 6);
    assertLess(culvert.found({ message: "connection closed" }).length, 8); // The first one came back once.
    await culvert.settled();
  },
);

Deno.test("a name of this machine that leads back is found out by its first connection", async () => {
  const name = Deno.hostname();
  const resolved = await Deno.connect({ hostname: name, port: 9 }).catch((error) => error);
  if (!(resolved instanceof Deno.errors.ConnectionRefused)) return; // It does not name this machine here.
  const port = freePort();
  const config = `${HEAD}services:\n` +
    service("all", `:${port}`, `retries: 0, backends: ["${name}:${port}"]`);
  await using culvert = await startCulvert(config);
  for (let i = 0; i < 5; i++) {
    using client = await connect(port);
    await client.write(new TextEncoder().encode("x")).catch(() => {}); // It may have been refused already.
    await within(ending(client), { what: "the end of the connection" });
  }
  await culvert.waitFor({ message: "connection closed" }, 6);
  assertLess(culvert.found({ message: "connection closed" }).length, 10);
  await culvert.finish();
});
