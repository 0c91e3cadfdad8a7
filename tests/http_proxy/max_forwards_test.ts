import { assert, assertEquals, assertMatch } from "@std/assert";
import { answering, OK, ProxyFixture, RawOrigin } from "./proxy_fixture.ts";

Deno.test("Max-Forwards of TRACE and OPTIONS counts down, and ends at 0 (RFC 9110 section 7.6.2)", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using proxy = new ProxyFixture([origin]);
  const ask = async (method: string, fields: string) => {
    const before = origin.received.length;
    const answer = await proxy.ask(`${method} /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    const sent = [...origin.received.slice(before).matchAll(/^max-forwards: *(.*)\r$/gim)].map(([, value]) =>
      value
    );
    return { status: Number(answer.slice(9, 12)), answer, sent, forwarded: origin.received.length > before };
  };
  for (const method of ["TRACE", "OPTIONS"]) {
    for (const [value, next] of [["5", "4"], ["1", "0"], ["007", "6"], ["99999999999999999999", "254"]]) {
      const { status, sent } = await ask(method, `max-forwards: ${value}\r\n`);
      assertEquals([status, sent], [200, [next]], `${method} ${value}`);
    }
    for (const bad of ["-1", "1x", "", "1, 1", "1.0"]) {
      const { status, forwarded } = await ask(method, `Max-Forwards: ${bad}\r\n`);
      assertEquals([status, forwarded], [400, false], `${method} ${bad}`);
    }
    const twice = await ask(method, "Max-Forwards: 1\r\nMax-Forwards: 1\r\n");
    assertEquals([twice.status, twice.forwarded], [400, false]);
    assertEquals((await ask(method, "")).sent, []);
  }
  for (const method of ["GET", "POST"]) {
    const { status, sent } = await ask(method, "Max-Forwards: 0\r\nContent-Length: 0\r\n");
    assertEquals([status, sent], [200, ["0"]], method);
  }
  const options = await ask("OPTIONS", "Max-Forwards: 0\r\n");
  assertEquals([options.status, options.forwarded], [200, false]);
  assertMatch(options.answer, /\r\nContent-Length: 0\r\n/);

  const secret = "Authorization: a\r\nCookie: b\r\nX-Forwarded-For: c\r\nProxy-Authorization: d\r\n";
  const trace = await ask("TRACE", `Max-Forwards: 0\r\nX-Kept: e\r\n${secret}`);
  assertEquals([trace.status, trace.forwarded], [200, false]);
  assertMatch(trace.answer, /\r\nContent-Type: message\/http\r\n/);
  const [, ...body] = trace.answer.split("\r\n\r\n");
  assertEquals(body.join("\r\n\r\n"), "TRACE /x HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\nx-kept: e\r\n\r\n");
  assert(proxy.records.filter(({ reason }) => reason === "max-forwards").length === 2);
});
