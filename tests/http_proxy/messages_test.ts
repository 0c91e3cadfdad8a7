import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { until } from "../support/wait.ts";
import { answering, OK, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/** The content of an answer with a Content-Length, or of one that goes to the end of the connection. */
function content(answer: string): string {
  return answer.slice(answer.indexOf("\r\n\r\n") + 4);
}

/** Answers the first request with `answer`, and closes the connection then. */
function once(answer: string): (connection: RawConnection) => Promise<void> {
  return async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send(answer);
    connection.close();
  };
}

Deno.test("pipelined requests are answered in order, one at the backend at a time", async () => {
  await using origin = new RawOrigin(answering((request) => {
    const path = request.split(" ")[1]!;
    return `HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`;
  }));
  await using fixture = new ProxyFixture([origin]);
  const requests = [1, 2, 3, 4].map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
  const answer = await fixture.ask(requests);
  assertEquals(answer.match(/\r\n\r\n\/\d/g), ["\r\n\r\n/1", "\r\n\r\n/2", "\r\n\r\n/3", "\r\n\r\n/4"]);
  assertEquals(origin.connections.length, 1);
});

Deno.test("bytes behind a complete answer reach no client, and the connection is not used again", async () => {
  await using origin = new RawOrigin(answering(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`));
  await using fixture = new ProxyFixture([origin]);
  for (let i = 0; i < 3; i++) assertEquals(content(await fixture.ask(GET)), "ok");
  assertEquals(origin.connections.length, 3);
});

Deno.test("a backend that sends on an idle connection is not believed", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin]);
  assertEquals(content(await fixture.ask(GET)), "ok");
  await origin.connections[0]!.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  await origin.connections[0]!.done;
  assertEquals(content(await fixture.ask(GET)), "ok");
  assertEquals(origin.connections.length, 2);
});

Deno.test("a connection that was dialled ahead is not believed either, if its backend sends first", async () => {
  let greeted = 0;
  await using origin = new RawOrigin(async (connection, index) => {
    if (index < 2) await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    greeted++;
    await answering(OK)(connection, index);
  });
  await using fixture = new ProxyFixture([origin], {
    upstreams: { app: { backends: [origin.address], pool: { minIdle: 2 } } },
  });
  await until(() => greeted === 2, { what: "connections that are dialled ahead" });
  assertEquals(content(await fixture.ask(GET)), "ok");
  assertEquals(content(await fixture.ask(GET)), "ok");
  assertEquals(origin.connections.slice(0, 2).map(({ received }) => received), ["", ""]);
});

Deno.test("an answer to HEAD, 204 and 304 has no body, whatever the backend sends", async () => {
  for (const status of ["200 OK", "204 No Content", "304 Not Modified"]) {
    await using origin = new RawOrigin(answering(`HTTP/1.1 ${status}\r\nContent-Length: 4\r\n\r\nevil`));
    await using fixture = new ProxyFixture([origin]);
    const method = status.startsWith("200") ? "HEAD" : "GET";
    const client = await fixture.client(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.receive("\r\n\r\n");
    assertEquals(content(client.received), "");
    await client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.until(() => client.received.split(`HTTP/1.1 ${status}`).length === 3);
    await client.end();
    assertEquals((await client.rest()).includes("evil"), false);
    assertEquals(origin.connections.length, 2);
  }
});

Deno.test("a body cut short is cut short for the client, too", async () => {
  const cut = [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    `${CHUNKED}4\r\nhalf\r\n`,
    `${CHUNKED}a\r\nhalf`,
  ];
  for (const answer of cut) {
    await using origin = new RawOrigin(once(answer));
    await using fixture = new ProxyFixture([origin]);
    const received = await (await fixture.client(GET)).rest();
    assertStringIncludes(received, "half");
    assertEquals(received.includes("\r\n0\r\n"), false);
    assertEquals(fixture.records[0]!.reason, "backend-closed");
  }
});

Deno.test("an answer that ends with its connection reaches HTTP/1.1 in chunks, and HTTP/1.0 as it is", async () => {
  await using origin = new RawOrigin(once("HTTP/1.1 200 OK\r\n\r\nhello"));
  await using fixture = new ProxyFixture([origin]);
  const newer = await fixture.ask(GET);
  assertStringIncludes(newer, "Transfer-Encoding: chunked\r\n");
  assertEquals(content(newer), "5\r\nhello\r\n0\r\n\r\n");
  const older = await fixture.ask("GET / HTTP/1.0\r\n\r\n");
  assertEquals(content(older), "hello");
  assertStringIncludes(older, "Connection: close\r\n");
});

Deno.test("a client of HTTP/1.0 gets no chunks and no interim answers", async () => {
  const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  await using origin = new RawOrigin(
    answering(`${hints}${CHUNKED}5\r\nhello\r\n1;a="b"\r\n!\r\n0\r\nA: b\r\n\r\n`),
  );
  await using fixture = new ProxyFixture([origin]);
  const answer = await fixture.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assertEquals(answer.slice(0, 15), "HTTP/1.1 200 OK");
  assertEquals(answer.includes("Transfer-Encoding"), false);
  assertEquals(content(answer), "hello!");
});

Deno.test("HTTP/1.0 keeps its connection where it asks for that, and there is a length", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin]);
  const client = await fixture.client("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  await client.receive("\r\n\r\nok");
  assertStringIncludes(client.received, "Connection: keep-alive\r\n");
  await client.send("GET / HTTP/1.0\r\n\r\n");
  assertStringIncludes(await client.rest(), "Connection: close\r\n");
});

Deno.test("interim answers reach clients of HTTP/1.1", async () => {
  await using origin = new RawOrigin(answering(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`));
  await using fixture = new ProxyFixture([origin]);
  const answer = await fixture.ask(GET);
  assertStringIncludes(answer, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n");
});

Deno.test("100-continue is asked of the backend, which may refuse the body", async () => {
  await using origin = new RawOrigin(async (connection, index) => {
    await connection.receive("\r\n\r\n");
    if (index === 0) {
      await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
      await connection.receive("\r\n\r\nhello");
      await connection.send(OK);
    } else await connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  });
  await using fixture = new ProxyFixture([origin]);
  const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  const client = await fixture.client(head);
  await client.receive("HTTP/1.1 100 Continue\r\n\r\n");
  assertStringIncludes(origin.connections[0]!.received, "Expect: 100-continue\r\n");
  await client.send("hello");
  await client.receive("\r\n\r\nok");
  origin.connections[0]!.close();
  const refused = await fixture.client(head);
  await refused.receive("HTTP/1.1 413 Too Large\r\n");
  assertStringIncludes(refused.received, "Connection: close\r\n");
  await refused.rest();
});

Deno.test("an early answer is delivered whole though the client still sends", async () => {
  const body = "x".repeat(300_000);
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send(`HTTP/1.1 413 Too Large\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await connection.end();
  });
  await using fixture = new ProxyFixture([origin]);
  const client = await fixture.client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
  const sending = (async () => {
    for (let i = 0; i < 8; i++) await client.send("y".repeat(100_000));
  })().catch(() => {});
  const answer = await client.rest();
  await sending;
  assertEquals(content(answer).length, body.length);
  assertStringIncludes(answer, "Connection: close\r\n");
});

Deno.test("a connection whose answer began before its request was sent is not used again", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
    await connection.receive("\r\n\r\nbody");
    await connection.send("lf");
  });
  await using fixture = new ProxyFixture([origin]);
  const client = await fixture.client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
  await client.receive("ha");
  await client.send("body");
  assertEquals(content(await client.rest()), "half");
  await origin.connections[0]!.done;
});

Deno.test("a client of HTTP/1.0 without Host is served with the address of the backend as Host", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin]);
  assertEquals(content(await fixture.ask("GET / HTTP/1.0\r\n\r\n")), "ok");
  assertStringIncludes(origin.received, `GET / HTTP/1.1\r\nHost: ${origin.address}\r\n`);
});

Deno.test("an empty line behind a request is no request: its client is idle", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { timeouts: { idleMs: 400, handshakeMs: 60_000 } });
  const client = await fixture.client(GET);
  await client.receive("ok");
  // On a busy machine the connection may have been closed before.
  await client.send("\r\n").catch(() => {});
  assertEquals(content(await client.rest()), "ok");
  assertEquals(fixture.records.length, 1);
});

Deno.test("both bodies flow at once", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send(CHUNKED);
    await connection.receive("one");
    await connection.send("3\r\nONE\r\n");
    await connection.receive("two");
    await connection.send("3\r\nTWO\r\n0\r\n\r\n");
  });
  await using fixture = new ProxyFixture([origin]);
  const client = await fixture.client("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  await client.receive("\r\n\r\n");
  await client.send("3\r\none\r\n");
  await client.receive("ONE");
  await client.send("3\r\ntwo\r\n0\r\n\r\n");
  await client.receive("TWO\r\n0\r\n\r\n");
  await client.send(GET);
  await client.end();
  await client.rest();
});

Deno.test("trailers go both ways, but for those that frame, route or authenticate", async () => {
  const trailers = "X-Sum: 1\r\nHost: evil\r\nAuthorization: evil\r\nContent-Length: 3\r\n" +
    "X-Client-Identity: evil\r\nX_Client_Identity: evil\r\nTrue-Client-IP: evil\r\n";
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n0\r\n");
    await connection.receive("X-Sum: 1\r\n\r\n");
    await connection.send(`${CHUNKED}2\r\nok\r\n0\r\n${trailers}\r\n`);
  });
  await using fixture = new ProxyFixture([origin]);
  const head =
    "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n";
  const client = await fixture.client(`${head}2\r\nhi\r\n0\r\n${trailers}\r\n`);
  await client.receive("X-Sum: 1\r\n\r\n");
  assertStringIncludes(origin.received, "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n");
  assertStringIncludes(origin.received, "Connection: TE\r\nTE: trailers\r\n");
  assertEquals((origin.received + client.received).includes("evil"), false);
});

Deno.test("a field that the proxy sets does not pass in a trailer, whatever its configured name", async () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const end = "2\r\nhi\r\n0\r\nX-User: evil\r\nX_User: evil\r\nX-Debug: evil\r\nX-Sum: 1\r\n\r\n";
  for (const pieces of [[head + end], [head, end]]) {
    await using origin = new RawOrigin(async (connection) => {
      await connection.receive("X-Sum: 1\r\n\r\n");
      await connection.send(OK);
    });
    await using fixture = new ProxyFixture([origin], {
      identityHeader: "X-User",
      routes: [{ match: {}, upstream: "app", headers: { request: { remove: ["X-Debug"] } } }],
    });
    const client = await fixture.client();
    for (const piece of pieces) {
      await client.send(piece);
      if (piece === head) await until(() => origin.received.includes("\r\n\r\n"), { what: "the head" });
    }
    await client.receive("HTTP/1.1 200 OK\r\n");
    assertStringIncludes(origin.received, "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n");
    assertEquals(origin.received.includes("evil"), false);
  }
});

Deno.test("a half-closed client gets its answer, one that has left has its request aborted", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 900));
    await connection.send(OK);
  });
  await using fixture = new ProxyFixture([origin]);
  assertStringIncludes(await fixture.ask(GET), "HTTP/1.1 200 OK\r\n");
  const left = await fixture.client("GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
  const [connection] = origin.connections;
  await connection!.receive("GET /left");
  const since = performance.now();
  left.close();
  await connection!.done;
  const tookMs = performance.now() - since;
  await until(() => fixture.records.length === 2, { what: "for the line in the log" });
  assertEquals(fixture.records[1]!.reason, "client-reset");
  // Far more than the second that it may take, for a machine that is busy.
  assert(tookMs < 10_000, `it took ${tookMs} ms`);
});

Deno.test("hop-by-hop fields and those that Connection names are not passed on", async () => {
  await using origin = new RawOrigin(answering(
    "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: secret\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok",
  ));
  await using fixture = new ProxyFixture([origin]);
  const fields = [
    "Connection: X-Gone, Content-Length, Host",
    "X-Gone: secret",
    "Keep-Alive: secret",
    "Proxy-Connection: secret",
    "Proxy: secret",
    "TE: gzip",
    "Upgrade: secret",
    "HTTP2-Settings: secret",
    "X_Forwarded_For: secret",
    "X-Forwarded-For: secret",
    "Client_Cert: secret",
    "Client-Cert: secret",
    "X-Kept: yes",
  ];
  const answer = await fixture.ask(
    `POST / HTTP/1.1\r\nHost: a\r\n${fields.join("\r\n")}\r\nContent-Length: 2\r\n\r\nhi`,
  );
  assertEquals(origin.received.includes("secret"), false);
  assertEquals(answer.includes("secret"), false);
  assertStringIncludes(origin.received, "X-Kept: yes\r\n");
  assertStringIncludes(origin.received, "Content-Length: 2\r\n");
  assertStringIncludes(origin.received, "POST / HTTP/1.1\r\nHost: a\r\n");
  assertStringIncludes(origin.received, "X-Forwarded-For: 127.0.0.1\r\n");
  assert(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/.test(answer), "Date is added");
});

Deno.test("101 makes a tunnel, and bytes that came early go first", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello",
    );
    await connection.receive("late");
    await connection.send("bye");
    await connection.end();
  });
  await using fixture = new ProxyFixture([origin]);
  const client = await fixture.client(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly",
  );
  await client.receive("hello");
  assertStringIncludes(client.received, "HTTP/1.1 101 Switching Protocols\r\n");
  assertStringIncludes(client.received, "Connection: upgrade\r\n");
  await client.send("late");
  await client.receive("bye");
  await client.end();
  await client.rest();
  assertStringIncludes(origin.received, "\r\n\r\nearlylate");
  await until(() => fixture.records.length > 0, { what: "for the line in the log" });
  assertEquals(fixture.records.map(({ reason, status }) => [reason, status]), [["upgraded", 101]]);
});

Deno.test("a tunnel carries everything for as long as it lives, whatever holds for requests", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    for (let at = connection.received.length; !connection.ended; at = connection.received.length) {
      await connection.until(() => connection.received.length > at);
      if (connection.received.length > at) await connection.send(connection.received.slice(at));
    }
    await connection.end();
  });
  await using fixture = new ProxyFixture([origin], { timeouts: { requestMs: 300, responseMs: 300 } });
  const client = await fixture.client(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
  );
  await client.receive("\r\n\r\n");
  // Longer than the first check of a request that waits.
  for (let i = 10; i < 30; i++) {
    await client.send(`<${i}>`);
    await client.receive(`<${i}>`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  await client.end();
  assertStringIncludes(await client.rest(), "<10><11><12><13><14><15><16><17><18><19><20>");
});

Deno.test("an upgrade that is refused is an ordinary answer, and what came behind its head waits for it", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin]);
  const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
  const answer = await fixture.ask(`${upgrade}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`);
  assertEquals(answer.split("HTTP/1.1 200 OK").length, 3);
  assertStringIncludes(origin.received, "Upgrade: echo\r\n");
});
