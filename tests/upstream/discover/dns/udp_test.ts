import { assertEquals } from "@std/assert";
import { systemClock } from "../../../../src/core/clock.ts";
import { DnsQuery } from "../../../../src/upstream/discover/dns/query.ts";
import { askOverUdp } from "../../../../src/upstream/discover/dns/udp.ts";
import { within } from "../../../support/wait.ts";
import { buildResponse } from "./fixture.ts";

function bind(hostname: string, port = 0) {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  return { socket, port: (socket.addr as Deno.NetAddr).port, [Symbol.dispose]: () => socket.close() };
}

for (const [who, hostname] of [["port", "127.0.0.1"], ["address", "127.0.0.2"]] as const) {
  Deno.test(`an answer from another ${who} than that of the server is ignored`, async () => {
    using server = bind("127.0.0.1");
    const { port } = server;
    using forger = bind(hostname, who === "port" ? 0 : port);
    const serving = (async () => {
      const [query, from] = await server.socket.receive();
      // It knows the id and the question, and is first.
      await forger.socket.send(buildResponse(query, { answers: ["db.internal 60 A 10.6.6.6"] }), from);
      await server.socket.send(buildResponse(query, { answers: ["db.internal 60 A 10.0.0.1"] }), from);
    })();
    const asking = askOverUdp(new DnsQuery({ name: "db.internal", type: "A" }), {
      server: { kind: "tcp", host: "127.0.0.1", port },
      signal: new AbortController().signal,
      clock: systemClock,
    });
    const { answers } = await within(asking, { what: "the answer" });
    await serving;
    assertEquals(answers.map((record) => "address" in record && record.address), ["10.0.0.1"]);
  });
}
