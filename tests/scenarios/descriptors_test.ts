import { assert, assertEquals, assertGreater } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { freePort } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, exchange, startBackend } from "../support/peers.ts";
import { HEAD, startCulvert, THREADS } from "../support/program.ts";
import { Python } from "../support/python.ts";
import { until } from "../support/wait.ts";

const CANNOT_ACCEPT = { message: "cannot accept a connection" };

function service(name: string, listen: string, backend: string): string {
  return `  - {name: ${name}, listen: [${JSON.stringify(listen)}], upstream: {backends: ["${backend}"]}}\n`;
}

/** Whether a connection is made and its bytes come back. */
async function echoed(port: number): Promise<boolean> {
  using client = await connect(port);
  return await exchange(client, "hello").catch(() => "") === "hello";
}

testWith(
  ["prlimit"],
  "a service that takes every descriptor starves neither another one nor the admin API",
  async () => {
    using backend = startBackend(echo);
    const config = `${ADMIN_HEAD}services:\n` + service("many", "127.0.0.1:0", backend.address) +
      service("few", "127.0.0.1:0", backend.address);
    await using culvert = await startCulvert(config, { descriptors: 150 });
    using admin = new AdminClient(culvert);
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(culvert.port("many"))));
    const { advice } = await culvert.waitFor({ ...CANNOT_ACCEPT, level: "WARN" });
    assertEquals(advice, "raise the limit of open files (ulimit -n)");

    let good = 0;
    for (let i = 0; i < 10; i++) good += Number(await echoed(culvert.port("few")));
    assertGreater(good, 7);
    const { services } = await admin.status();
    assertGreater(services[0]!.acceptFailures.descriptors, 0);
    assertGreater(services[0]!.ended["no-descriptors"] ?? 0, 0);
    assert(services[0]!.active > 20, "most of those that lived go on");
    for (const client of clients) client.close();
    await until(() => echoed(culvert.port("many")), { what: "the service to be well again" });
    culvert.signal("SIGTERM");
    assertEquals(await culvert.exit, 0);
  },
);

testWith(
  ["prlimit"],
  "a loop by way of another program leaves the other services their descriptors",
  async () => {
    using backend = startBackend(echo);
    const [there, back] = [freePort(), freePort()];
    const first = `${HEAD}services:\n` + service("there", `127.0.0.1:${there}`, `127.0.0.1:${back}`) +
      service("good", "127.0.0.1:0", backend.address);
    const second = `${HEAD}services:\n` + service("back", `127.0.0.1:${back}`, `127.0.0.1:${there}`);
    await using culvert = await startCulvert(first, { descriptors: 200 });
    await using other = await startCulvert(second, { descriptors: 1000 });
    using client = await connect(there);
    await client.write(new TextEncoder().encode("x"));
    await culvert.waitFor({ message: "connection closed", service: "there" });
    for (let i = 0; i < 5; i++) assert(await echoed(culvert.port("good")));
    client.close();
    for (const each of [culvert, other]) each.signal("SIGTERM");
    await Promise.all([culvert.exit, other.exit]);
  },
);

const SCAN = `
import struct
port = int(sys.argv[1])
for _ in range(200):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
say("done")
`;

testWith(
  ["python3"],
  "connections that are reset before they are accepted are counted, and logged once a second",
  async () => {
    using backend = startBackend(echo);
    const config = `${ADMIN_HEAD}services:\n` + service("main", "127.0.0.1:0", backend.address);
    await using culvert = await startCulvert(config);
    using admin = new AdminClient(culvert);
    const startedAt = performance.now();
    await using scan = new Python(SCAN, culvert.port("main"));
    assertEquals(await scan.hear(), "done");
    const seen = async () => {
      const [service] = (await admin.status()).services;
      const { acceptFailures, total, active } = service!;
      return active === 0 && acceptFailures.reset + total >= 200;
    };
    await until(seen, { what: "every connection to be counted" });
    const { acceptFailures } = (await admin.status()).services[0]!;
    const lines = culvert.found({ ...CANNOT_ACCEPT, level: "INFO" }).length;
    assertEquals(lines > 0, acceptFailures.reset > 0);
    assert(lines <= THREADS * (1 + (performance.now() - startedAt) / 1000), `${lines} lines`);
    await culvert.finish();
  },
);
