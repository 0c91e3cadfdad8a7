import { assertEquals } from "@std/assert";
import { answering, OK, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";
import { DEFAULT_HTTP_RETRIES, type HttpRoute } from "../../src/http_proxy/options.ts";

const ROUTE: HttpRoute = {
  match: {},
  upstream: "app",
  retries: { ...DEFAULT_HTTP_RETRIES, on: ["connect", 504] },
};
/** Far more than an origin takes that answers. */
const OPTIONS = { routes: [ROUTE], timeouts: { responseMs: 1_000 } };

/** Reads requests and answers none, as a stopped process. */
async function mute(connection: RawConnection): Promise<void> {
  await connection.receive("\r\n\r\n");
}

function status(answer: string): string {
  return answer.slice("HTTP/1.1 ".length, "HTTP/1.1 ".length + 3);
}

Deno.test("a GET whose response does not come in time gets that of another backend", async () => {
  await using stopped = new RawOrigin(mute);
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([stopped, origin], OPTIONS);
  for (let i = 0; i < 3; i++) {
    assertEquals(status(await fixture.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), "200");
  }
  const late = fixture.records.filter(({ tries }) => tries === 2);
  assertEquals(late.length, stopped.connections.length);
  assertEquals(late.length > 0, true);
});

Deno.test("a PUT whose response does not come in time is sent once more with its whole body", async () => {
  await using stopped = new RawOrigin(mute);
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("hello world");
    await connection.send(OK);
  });
  await using fixture = new ProxyFixture([stopped, origin], OPTIONS);
  const client = await fixture.client("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello");
  await stopped.connections[0]?.receive("hello");
  await client.send(" world");
  await client.receive("ok");
  assertEquals(origin.received.endsWith("\r\n\r\nhello world"), true);
});

Deno.test("a POST whose response does not come in time gets 504 and is sent once", async () => {
  await using stopped = new RawOrigin(mute);
  await using origin = new RawOrigin(mute);
  await using fixture = new ProxyFixture([stopped, origin], OPTIONS);
  const answer = await fixture.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  assertEquals(status(answer), "504");
  assertEquals(stopped.connections.length + origin.connections.length, 1);
});

Deno.test("a backend that does not answer an expectation in time is late", async () => {
  await using origin = new RawOrigin(mute);
  await using fixture = new ProxyFixture([origin], { timeouts: { responseMs: 100, idleMs: 60_000 } });
  const client = await fixture.client(
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
  );
  assertEquals(status(await client.rest()), "504");
  assertEquals(fixture.records.map(({ reason }) => reason), ["response-timeout"]);
});

Deno.test("without 504 in retries.on, a late response is 504", async () => {
  await using stopped = new RawOrigin(mute);
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([stopped, origin], { timeouts: OPTIONS.timeouts });
  assertEquals(status(await fixture.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), "504");
  assertEquals(fixture.records.map(({ reason }) => reason), ["response-timeout"]);
});
