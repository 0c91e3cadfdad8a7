import { assertEquals, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { Offer } from "../support/offer.ts";
import { queuedBytes } from "../support/proc.ts";
import { until } from "../support/wait.ts";
import { ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";

/** What the proxy may hold of one direction: what one read has brought, into its largest buffer. */
const HELD_BYTES = 256 * 1024;
const GIB = 1024 * 1024 * 1024;

/** The connection that comes next, where each one ends before the next one. */
async function nextConnection({ connections }: RawOrigin): Promise<RawConnection> {
  const isThere = () => connections.some(({ ended }) => !ended);
  await until(isThere, { what: "a connection to the origin" });
  return connections.find(({ ended }) => !ended)!;
}

/** Each piece of a body is sent when the one before has come: none waits for another one. */
Deno.test("every piece of a response reaches the client before the next one is sent", async () => {
  const heads = [
    [
      "events in chunks",
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
      "1.1",
    ],
    ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "1.1"],
    ["until the end", "HTTP/1.1 200 OK\r\n\r\n", "1.1"],
    ["chunks for HTTP/1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1.0"],
    ["until the end, for HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", "1.0"],
  ] as const;
  await using origin = new RawOrigin();
  await using fixture = new ProxyFixture([origin]);
  for (const [name, head, version] of heads) {
    const isChunked = head.includes("chunked");
    const client = await fixture.client(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
    const backend = await nextConnection(origin);
    await backend.receive("\r\n\r\n");
    await backend.send(head);
    await client.receive("\r\n\r\n");
    for (const text of ["data: 1\n\n", "data: 2\n\n", "x"]) {
      await backend.send(isChunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text);
      await client.receive(text);
    }
    client.close();
    await backend.done;
    assertStringIncludes(client.received, "HTTP/1.1 200 OK\r\n", name);
  }
});

Deno.test("a client that leaves in the middle of its response has its request aborted", async () => {
  await using origin = new RawOrigin();
  await using fixture = new ProxyFixture([origin]);
  for (
    const head of [
      "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
      "Content-Length: 8\r\n\r\nhalf",
      "\r\nhalf",
    ]
  ) {
    const client = await fixture.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const backend = await nextConnection(origin);
    await backend.receive("\r\n\r\n");
    await backend.send(`HTTP/1.1 200 OK\r\n${head}`);
    await client.receive("half");
    client.close();
    await backend.done;
  }
  await until(() => fixture.records.length === 3, { what: "the lines in the log" });
  for (const { reason } of fixture.records) assertStringIncludes("client-closed client-reset", reason);
});

Deno.test("a client that has ended its side behind its requests gets all of its responses", async () => {
  await using origin = new RawOrigin();
  await using fixture = new ProxyFixture([origin]);
  const requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
  for (const ends of ["before the answer", "in its middle"]) {
    const client = await fixture.client(
      ends === "before the answer" ? requests : requests.slice(0, requests.length / 2),
    );
    if (ends === "before the answer") await client.end();
    const backend = await nextConnection(origin);
    await backend.receive("\r\n\r\n");
    await backend.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    await client.receive("half");
    if (ends === "in its middle") {
      await client.send(requests.slice(requests.length / 2));
      await client.end();
    }
    // Longer than it takes to abort the request of a client that has left.
    await new Promise((resolve) => setTimeout(resolve, 600));
    await backend.send("half");
    await backend.until(() => backend.received.split("\r\n\r\n").length === 3);
    await backend.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nend");
    const text = await client.rest();
    assertStringIncludes(text, "\r\n\r\nhalfhalfHTTP/1.1 200 OK\r\n");
    assertEquals(text.endsWith("\r\n\r\nend"), true, ends);
    await backend.done;
  }
});

Deno.test("every piece of a request reaches the backend before the next one is sent", async () => {
  await using origin = new RawOrigin();
  await using fixture = new ProxyFixture([origin]);
  for (const framing of ["Content-Length: 1000000", "Transfer-Encoding: chunked"]) {
    const client = await fixture.client(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
    const backend = await nextConnection(origin);
    await backend.receive("\r\n\r\n");
    for (const text of ["one", "two", "x"]) {
      await client.send(framing.includes("chunked") ? `${text.length}\r\n${text}\r\n` : text);
      await backend.receive(text);
    }
    client.close();
    await backend.done;
  }
});

Deno.test("a client that does not read stops the backend: of 1 GiB offered one buffer is held", async () => {
  const offer = new Offer();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1000));
    await connection.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${GIB}\r\n\r\n`));
    await offer.send(connection);
  })().catch(() => {});
  {
    await using fixture = new ProxyFixture([], { upstreams: { app: { backends: [`127.0.0.1:${port}`] } } });
    using client = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port });
    await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    await offer.stalled();
    const held = offer.taken - queuedBytes([fixture.port, port]);
    assertLessOrEqual(held, HELD_BYTES, `${offer.taken} bytes taken`);
  }
  await serving;
  listener.close();
});

Deno.test("a backend that does not read stops the client: of 1 GiB offered one buffer is held", async () => {
  for (const framing of [`Content-Length: ${GIB}`, "Transfer-Encoding: chunked"]) {
    const offer = new Offer();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const accepted = listener.accept();
    {
      await using fixture = new ProxyFixture([], { upstreams: { app: { backends: [`127.0.0.1:${port}`] } } });
      using client = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port });
      const size = framing.includes("chunked") ? `${GIB.toString(16)}\r\n` : "";
      await client.write(new TextEncoder().encode(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${size}`));
      using _backend = await accepted;
      const sending = offer.send(client).catch(() => {});
      await offer.stalled();
      const held = offer.taken - queuedBytes([fixture.port, port]);
      assertLessOrEqual(held, HELD_BYTES, `${offer.taken} bytes taken`);
      await fixture.proxy.destroy();
      await sending;
    }
    listener.close();
  }
});

Deno.test("a slow client gets the whole of a large response, and others are not held up by it", async () => {
  const size = 8 * 1024 * 1024;
  const block = "0123456789abcdef".repeat(4096);
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    const isLarge = connection.received.startsWith("GET /large");
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${isLarge ? size : 2}\r\n\r\n`);
    if (!isLarge) return await connection.send("ok");
    for (let sent = 0; sent < size; sent += block.length) await connection.send(block);
  });
  await using fixture = new ProxyFixture([origin]);
  using slow = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port });
  await slow.write(new TextEncoder().encode("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  await nextConnection(origin);
  const other = await fixture.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await other.receive("\r\n\r\nok");
  const text = await new Response(slow.readable).text();
  assertEquals(text.length - text.indexOf("\r\n\r\n") - 4, size);
  assertEquals(text.endsWith(block), true);
});
