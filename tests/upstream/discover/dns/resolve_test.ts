import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ResolveParts, serverResolve } from "../../../../src/upstream/discover/dns/resolve.ts";
import { DnsError } from "../../../../src/upstream/discover/errors.ts";
import { dial } from "../../../../src/net/dial.ts";
import { settle } from "../../../support/settle.ts";
import { buildResponse, FakeDnsServer, type Reaction } from "./fixture.ts";

const never = new AbortController().signal;
const QUESTION = { name: "db.internal", type: "A" } as const;

/** What a server that answers so is understood to say: its addresses, or the error. */
async function asked(reaction: Reaction, parts: ResolveParts = {}): Promise<string> {
  await using server = new FakeDnsServer(() => reaction);
  try {
    const answer = await serverResolve(server.address, { timeoutMs: 1_000, ...parts })(QUESTION, never);
    const records = answer.records.map((record) => "address" in record ? record.address : record.type);
    return `${records.join(" ")} for ${answer.ttlMs}`;
  } catch (error) {
    assert(error instanceof DnsError, String(error));
    assert(error.message.startsWith(`Cannot resolve "db.internal" (A)`), error.message);
    return `${error.code}: ${error.message}`;
  } finally {
    await settle();
  }
}

/** Asserts that a text has a part. */
function has(text: string, part: string): void {
  assert(text.includes(part), `${part}: ${text}`);
}

Deno.test("the records of a name are reported, with the smallest time to live, and nothing else of the answer", async () => {
  const answers = ["db.internal 60 A 10.0.0.1", "DB.internal 7 A 10.0.0.2", "x.internal 1 A 10.6.6.6"];
  assertEquals(await asked({ answers }), "10.0.0.1 10.0.0.2 for 7000");
});

Deno.test("aliases are followed within the answer, and their time to live counts", async () => {
  const answers = [
    "b.internal 60 A 10.0.0.1",
    "a.internal 5 CNAME b.internal",
    "db.internal 9 CNAME a.internal",
  ];
  assertEquals(await asked({ answers }), "10.0.0.1 for 5000");
});

Deno.test("what an alias leads to is asked for where the answer does not tell it", async () => {
  await using server = new FakeDnsServer(({ name }) =>
    name === "db.internal"
      ? { answers: ["db.internal 3 CNAME a.other"] }
      : { answers: ["a.other 60 A 10.0.0.1"] }
  );
  const answer = await serverResolve(server.address)(QUESTION, never);
  assertEquals([answer.records.length, answer.ttlMs], [1, 3000]);
  assertEquals(server.asked, ["tcp db.internal A", "tcp a.other A"]);
});

Deno.test("aliases that go round, in one answer or from one to the next, are given up", async () => {
  const circle = ["db.internal 9 CNAME a.internal", "a.internal 9 CNAME db.internal"];
  has(await asked({ answers: circle }), "its aliases form a loop");
  let i = 0;
  await using server = new FakeDnsServer(({ name }) => ({ answers: [`${name} 1 CNAME n${++i}.internal`] }));
  await assertRejects(() => serverResolve(server.address)(QUESTION, never), DnsError, "too many aliases");
  assertEquals(server.asked.length, 8);
});

Deno.test("no such name, and a name without such records, are empty answers", async () => {
  assertEquals(await asked({ rcode: 3 }), " for undefined");
  assertEquals(await asked({}), " for undefined");
  assertEquals(await asked({ answers: ["db.internal 5 AAAA fd00::1"] }), " for undefined");
  assertEquals(await asked({ answers: ["db.internal 4 CNAME gone.internal"], rcode: 3 }), " for 4000");
  assertEquals(await asked({ rcode: 3, authority: ["internal 60 SOA 9"] }), " for 9000");
  assertEquals(await asked({ authority: ["internal 6 SOA 9"] }), " for 6000");
});

Deno.test("a server that can't or won't tell is an error, and not an empty answer", async () => {
  const cases: [number, string][] = [[1, "FORMERR"], [2, "SERVFAIL"], [4, "NOTIMP"], [5, "REFUSED"], [
    9,
    "code 9",
  ]];
  for (const [rcode, name] of cases) {
    const said = await asked({ rcode, answers: ["db.internal 9 A 10.6.6.6"] });
    has(said, "dns_refused");
    has(said, `the server answered ${name}`);
  }
  has(await asked({ flags: 0x8000, authority: ["internal 9 NS ns.internal"] }), "only refers to others");
});

Deno.test("an answer with another id, to another question or in pieces is an error", async () => {
  has(await asked({ idOff: 1, answers: ["db.internal 9 A 10.6.6.6"] }), "over TCP: Cannot use a DNS message");
  has(await asked({ question: { name: "x.internal", type: "A" } }), "it answers another question");
  has(await asked({ counts: [1, 65_535, 0, 0] }), "is truncated");
  has(await asked(new Uint8Array(0)), "is cut short");
  has(await asked(Uint8Array.of(1)), "is cut short");
  has(await asked({ flags: 0x8380 }), "dns_truncated");
  has(await asked("close"), "the server closed the connection");
});

Deno.test("a server that does not answer has half of the time for each way", async () => {
  const said = await asked("silence", { timeoutMs: 100 });
  has(said, "over TCP: no answer in 50ms; over UDP: no answer in 50ms");
});

Deno.test("a server that speaks UDP only is asked over UDP, and the next time at once", async () => {
  const answers = ["db.internal 60 A 10.0.0.1"];
  await using server = new FakeDnsServer(() => ({ answers }), { tcp: false, udp: true });
  let dials = 0;
  const resolve = serverResolve(server.address, {
    dial: (address, signal) => {
      dials++;
      return dial(address, signal);
    },
  });
  for (let i = 0; i < 3; i++) assertEquals((await resolve(QUESTION, never)).records.length, 1);
  assertEquals([server.asked, dials], [Array(3).fill("udp db.internal A"), 1]);
});

Deno.test("over UDP a message with another id is passed over and the answer awaited", async () => {
  const answers = ["db.internal 60 A 10.6.6.6"];
  await using server = new FakeDnsServer((_, query) => buildResponse(query, { answers, idOff: 1 }), {
    tcp: false,
    udp: true,
  });
  const resolve = serverResolve(server.address, { timeoutMs: 200 });
  await assertRejects(() => resolve(QUESTION, never), DnsError, "over UDP: no answer in 100ms");
});

Deno.test("over UDP a question that got lost is asked again", async () => {
  let count = 0;
  const answers = ["db.internal 60 A 10.0.0.1"];
  await using server = new FakeDnsServer(() => ++count === 1 ? "silence" : { answers }, {
    tcp: false,
    udp: true,
  });
  assertEquals((await serverResolve(server.address)(QUESTION, never)).records.length, 1);
});

Deno.test("an answer that does not fit into a datagram is fetched over TCP", async () => {
  let down = true;
  const answers = ["db.internal 60 A 10.0.0.1"];
  await using server = new FakeDnsServer(
    ({ over }) => over === "tcp" ? { answers } : down ? { answers } : { flags: 0x8380 },
    { udp: true },
  );
  const resolve = serverResolve(server.address, {
    dial: (address, signal) => down ? Promise.reject(new Error("no way")) : dial(address, signal),
  });
  await resolve(QUESTION, never);
  down = false;
  assertEquals((await resolve(QUESTION, never)).records.length, 1);
  assertEquals(server.asked, ["udp db.internal A", "udp db.internal A", "tcp db.internal A"]);
});

Deno.test("giving up ends what is under way at once", async () => {
  await using server = new FakeDnsServer(() => "silence", { udp: true });
  const controller = new AbortController();
  const answer = serverResolve(server.address)(QUESTION, controller.signal);
  const reason = new Error("enough");
  setTimeout(() => controller.abort(reason), 20);
  assertEquals(await answer.catch((error) => error), reason);
  assertEquals(
    await serverResolve(server.address)(QUESTION, controller.signal).catch((error) => error),
    reason,
  );
  await settle();
});
