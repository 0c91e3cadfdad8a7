import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { until } from "../support/wait.ts";
import { answering, OK, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ERROR = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

function status(answer: string): string {
  return answer.slice(9, 12);
}

/** An origin that answers each request when it is told to. */
function holding(): { origin: RawOrigin; answer: (text?: string) => Promise<void> } {
  const waiting: RawConnection[] = [];
  const origin = new RawOrigin(async (connection) => {
    for (let count = 2;; count++) {
      await connection.until(() => connection.received.split("\r\n\r\n").length === count);
      if (connection.ended) return;
      waiting.push(connection);
    }
  });
  return { origin, answer: (text = OK) => waiting.shift()!.send(text) };
}

function requestsOf({ received }: RawOrigin): number {
  return received.split("\r\n\r\n").length - 1;
}

Deno.test("at maxConnections of a backend requests wait in line, and then get 503 with Retry-After", async () => {
  const { origin, answer } = holding();
  await using _origin = origin;
  await using fixture = new ProxyFixture([], {
    upstreams: {
      app: {
        backends: [{ address: origin.address, maxConnections: 1 }],
        queue: { max: 1, timeoutMs: 60_000 },
      },
    },
  });
  const first = await fixture.client(GET);
  await until(() => requestsOf(origin) === 1, { what: "the first request" });
  const second = await fixture.client(GET);
  await until(() => fixture.proxy.stats.requests.active === 2, { what: "the second request" });
  const refused = await (await fixture.client(GET)).rest();
  assertEquals(status(refused), "503");
  assertStringIncludes(refused, "\r\nRetry-After: 1\r\n");
  assertEquals(requestsOf(origin), 1);
  await answer();
  await first.receive("ok");
  await until(() => requestsOf(origin) === 2, { what: "the second request at the backend" });
  await answer();
  await second.receive("ok");
  // Both clients are idle, and count no more.
  const third = await fixture.client(GET);
  await until(() => requestsOf(origin) === 3, { what: "the third request" });
  await answer();
  await third.receive("ok");
  assertEquals(fixture.records.map(({ reason }) => reason), ["queue-full", "ok", "ok", "ok"]);
});

Deno.test("a request that has waited in vain gets 503 with Retry-After", async () => {
  const { origin, answer } = holding();
  await using _origin = origin;
  await using fixture = new ProxyFixture([], {
    upstreams: {
      app: { backends: [{ address: origin.address, maxConnections: 1 }], queue: { max: 1, timeoutMs: 100 } },
    },
  });
  const first = await fixture.client(GET);
  await until(() => requestsOf(origin) === 1, { what: "the first request" });
  const refused = await (await fixture.client(GET)).rest();
  assertEquals(status(refused), "503");
  assertStringIncludes(refused, "\r\nRetry-After: 1\r\n");
  await answer();
  await first.receive("ok");
  assertEquals(fixture.records.map(({ reason }) => reason), ["queue-timeout", "ok"]);
});

Deno.test("without a backend the answer is 503 with Retry-After, and the connection closes", async () => {
  await using fixture = new ProxyFixture([]);
  const answer = await (await fixture.client(GET)).rest();
  assertEquals(status(answer), "503");
  assertStringIncludes(answer, "\r\nRetry-After: 1\r\n");
  assertStringIncludes(answer, "\r\nConnection: close\r\n");
});

Deno.test("maxConnections of the service counts connections, with a request or without", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { admission: { maxConnections: 2 } });
  const [first, second] = [await fixture.client(GET), await fixture.client(GET)];
  for (const client of [first, second]) await client.receive("ok");
  const refused = await fixture.client(GET);
  assertEquals(await refused.rest(), "");
  first.close();
  await until(() => fixture.proxy.stats.active === 1, { what: "the first connection to end" });
  const third = await fixture.client(GET);
  await third.receive("ok");
});

Deno.test("a backend whose answers are 5xx is ejected, and others get its requests", async () => {
  await using bad = new RawOrigin(answering(ERROR));
  await using good = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([], {
    upstreams: {
      app: {
        backends: [bad.address, good.address],
        outlier: { failures: 3, ejectionMs: 600_000, maxEjected: 0.5 },
      },
    },
  });
  for (let i = 0; i < 20; i++) await fixture.ask(GET);
  assertEquals(requestsOf(bad), 3);
  assertEquals(requestsOf(good), 17);
});

Deno.test("an answer that is no 5xx breaks the row of failures", async () => {
  let count = 0;
  await using origin = new RawOrigin(answering(() => count++ % 3 === 2 ? OK : ERROR));
  await using other = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([], {
    upstreams: {
      app: { backends: [origin.address, other.address], outlier: { failures: 3, ejectionMs: 600_000 } },
    },
  });
  for (let i = 0; i < 20; i++) await fixture.ask(GET);
  assertEquals(requestsOf(origin), 10);
});

Deno.test("a POST with Idempotency-Key is sent again where the route allows that, and only there", async () => {
  const keyed = "POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 7\r\nContent-Length: 2\r\n\r\nhi";
  for (
    const [idempotencyKey, request, wanted] of [
      [true, keyed, "200"],
      [false, keyed, "502"],
      [true, keyed.replace("Idempotency-Key: 7\r\n", ""), "502"],
    ] as const
  ) {
    await using broken = new RawOrigin(async (connection) => {
      await connection.receive("\r\n\r\nhi");
      connection.close();
    });
    await using good = new RawOrigin(async (connection) => {
      await connection.receive("\r\n\r\nhi");
      await connection.send(OK);
    });
    await using fixture = new ProxyFixture([broken, good], {
      routes: [{ match: {}, upstream: "app", retries: { attempts: 2, on: ["connect"], idempotencyKey } }],
    });
    assertEquals(status(await fixture.ask(request)), wanted);
    assertEquals(broken.connections.length, 1);
    assertEquals(good.connections.length, wanted === "200" ? 1 : 0);
    assert(good.received === "" || good.received.includes("Idempotency-Key: 7\r\n"));
  }
});
