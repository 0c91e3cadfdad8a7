import { assertEquals, assertStringIncludes } from "@std/assert";
import { answering, OK, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/** Serves one request on each connection, and closes it when the second one has come. */
async function closesOnSecond(connection: RawConnection): Promise<void> {
  await connection.receive("\r\n\r\n");
  const { length } = connection.received;
  await connection.send(OK);
  await connection.until(() => connection.received.length > length);
  connection.close();
}

Deno.test("a request that may be repeated is sent again when an idle connection fails", async () => {
  await using origin = new RawOrigin(closesOnSecond);
  await using fixture = new ProxyFixture([origin]);
  for (let i = 0; i < 3; i++) assertStringIncludes(await fixture.ask(GET), "\r\n\r\nok");
  // The last two were sent twice: on the idle connection, and on a new one.
  assertEquals(origin.received.split("GET / HTTP/1.1").length - 1, 5);
  assertEquals(fixture.records.map(({ tries, status }) => [tries, status]), [[1, 200], [1, 200], [1, 200]]);
});

Deno.test("a POST that was written is never sent again: its client gets 502", async () => {
  await using origin = new RawOrigin(closesOnSecond);
  await using fixture = new ProxyFixture([origin], { routes: [retrying(["connect"], 5)] });
  assertStringIncludes(await fixture.ask(GET), "\r\n\r\nok");
  assertEquals((await fixture.ask(POST)).slice(0, 12), "HTTP/1.1 502");
  assertEquals(origin.received.split("POST / HTTP/1.1").length - 1, 1);
});

Deno.test("a backend that refuses connections is passed over, also for a POST", async () => {
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\nhi");
    await connection.send(OK);
  });
  await using fixture = new ProxyFixture([origin], {
    upstreams: { app: { backends: [`127.0.0.1:${port}`, origin.address] } },
  });
  assertStringIncludes(await fixture.ask(POST), "\r\n\r\nok");
  assertEquals(fixture.records[0]!.tries, 2);
});

Deno.test("a status in retries.on is tried at another backend, with the body, while there are attempts", async () => {
  const unavailable = "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n";
  await using bad = new RawOrigin(answering(unavailable));
  await using good = new RawOrigin(async (connection) => {
    for (let count = 2; !connection.ended; count++) {
      await connection.until(() => connection.received.split("\r\n\r\nhi").length === count);
      await connection.send(OK);
    }
  });
  await using fixture = new ProxyFixture([bad, good], { routes: [retrying([503], 1)] });
  assertStringIncludes(await fixture.ask(POST.replace("POST", "PUT")), "\r\n\r\nok");
  assertEquals(fixture.records[0]!.tries, 2);
  // A POST is not repeated. The turn of the bad one comes once in two requests.
  const statuses = [await fixture.ask(POST), await fixture.ask(POST)].map((answer) => answer.slice(9, 12));
  assertEquals(statuses.sort(), ["200", "503"]);
});

Deno.test("a budget bounds retries: three a second, and a fifth of the requests", async () => {
  await using origin = new RawOrigin(answering("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"));
  await using fixture = new ProxyFixture([origin], {
    routes: [retrying([503], 5)],
    upstreams: { app: { backends: [origin.address], outlier: { failures: 0 } } },
  });
  for (let i = 0; i < 50; i++) await fixture.ask(GET);
  const sent = origin.received.split("GET / HTTP/1.1").length - 1;
  // Three are free in each second; the test takes at most some seconds.
  const seconds = Math.ceil((fixture.records.at(-1)!.time - fixture.records[0]!.time) / 1000) + 1;
  assertEquals(sent <= 50 + 10 + 3 * seconds, true, `${sent} in ${seconds} s`);
  assertEquals(sent > 50, true);
});

function retrying(on: ("connect" | number)[], attempts: number) {
  return { match: {}, upstream: "app", retries: { attempts, on } };
}
