import { assert, assertEquals, assertThrows } from "@std/assert";
import { decodeResponse, encodeQuery } from "../../../../src/upstream/discover/dns/message.ts";
import { readName, writeName } from "../../../../src/upstream/discover/dns/name.ts";
import { DnsQuery } from "../../../../src/upstream/discover/dns/query.ts";
import { DnsError } from "../../../../src/upstream/discover/errors.ts";
import { seededRandom } from "../../../core/seeded_random.ts";
import { mutate } from "../../../net/mutate.ts";
import { buildResponse, type Reply } from "./fixture.ts";

const bytesOf = (hex: string) =>
  Uint8Array.from(hex.match(/[0-9a-f]{2}/g)!.map((pair) => parseInt(pair, 16)));

/** Bytes with a header before them that says: a response, one question, one answer. */
function message(...parts: (string | number[])[]): Uint8Array {
  const body = parts.flatMap((part) => typeof part === "string" ? [...bytesOf(part)] : part);
  return Uint8Array.from([...bytesOf("0007 8180 0001 0001 0000 0000"), ...body]);
}

const QUESTION = "026462 00 0001 0001"; // db A, at 12

const QUERY = encodeQuery(7, { name: "db", type: "A" });
const FULL: Reply = {
  answers: [
    "db.internal 60 CNAME a.internal",
    "a.internal 30 A 10.0.0.1",
    "a.internal 30 AAAA fd00::1",
    "_db._tcp.internal 9 SRV 1 2 5432 a.internal",
    "a.internal 30 TXT hello",
  ],
  authority: ["internal 60 NS ns.internal", "internal 60 SOA 9"],
  additional: ["ns.internal 60 A 10.0.0.53"],
};

Deno.test("a query is written as RFC 1035 has it", () => {
  assertEquals(
    encodeQuery(0x1234, { name: "db.internal.", type: "SRV" }),
    bytesOf("1234 0100 0001 0000 0000 0000 026462 08696e7465726e616c 00 0021 0001"),
  );
});

Deno.test("what is no name is not asked for", () => {
  for (
    const name of ["", ".", "a..b", ".a", "a b", "münchen.example", "x".repeat(64), "a.".repeat(127) + "ab"]
  ) {
    assertEquals(assertThrows(() => writeName(name), DnsError).code, "dns_malformed", name);
  }
  assertEquals(writeName("a.".repeat(127)).length, 255);
  assertEquals(writeName("x".repeat(63)).length, 65);
});

Deno.test("records of the known types are read, from all sections, others are passed over", () => {
  const response = decodeResponse(buildResponse(QUERY, FULL));
  assertEquals(response.answers, [
    { name: "db.internal", ttlS: 60, type: "CNAME", target: "a.internal" },
    { name: "a.internal", ttlS: 30, type: "A", address: "10.0.0.1" },
    { name: "a.internal", ttlS: 30, type: "AAAA", address: "fd00::1" },
    {
      name: "_db._tcp.internal",
      ttlS: 9,
      type: "SRV",
      priority: 1,
      weight: 2,
      port: 5432,
      target: "a.internal",
    },
  ]);
  assertEquals(response.authority, [{ name: "internal", ttlS: 9, type: "SOA" }]);
  assertEquals(response.additional, [{ name: "ns.internal", ttlS: 60, type: "A", address: "10.0.0.53" }]);
  const { id, rcode, question, truncated, referral } = response;
  assertEquals({ id, rcode, question, truncated, referral }, {
    id: 7,
    rcode: 0,
    question: "db 1",
    truncated: false,
    referral: false,
  });
});

Deno.test("compressed names are read, in lower case", () => {
  const response = decodeResponse(message("0244 42 00 0001 0001", "c00c 0001 0001 00000005 0004 0a000001"));
  assertEquals(response.question, "db 1");
  assertEquals(response.answers, [{ name: "db", ttlS: 5, type: "A", address: "10.0.0.1" }]);
});

Deno.test("a label with a dot or a space in it is not mistaken for something else", () => {
  assertEquals(readName(bytesOf("03612e62 01 20 01 5c 00"), 0), { name: "a\\046b.\\032.\\092", end: 9 });
});

Deno.test("a time to live beyond 31 bits counts as none", () => {
  const answer = (ttl: string) =>
    decodeResponse(message(QUESTION, `c00c 0001 0001 ${ttl} 0004 0a000001`)).answers[0]!;
  assertEquals([answer("7fffffff").ttlS, answer("80000000").ttlS], [2_147_483_647, 0]);
});

Deno.test("an answer that only names others to ask is a referral, one with a SOA record is none", () => {
  const referral = (reply: Reply) => decodeResponse(buildResponse(QUERY, reply)).referral;
  const authority = ["internal 60 NS ns.internal"];
  assertEquals(referral({ authority, flags: 0x8000 }), true);
  assertEquals(referral({ authority: [...authority, "internal 60 SOA 9"], flags: 0x8000 }), false);
  assertEquals(referral({ authority, flags: 0x8400 }), false);
  assertEquals(referral({ authority, flags: 0x8180 }), false);
  assertEquals(referral({ authority, flags: 0x8000, answers: ["db 1 A 10.0.0.1"] }), false);
  assertEquals(referral({ authority: [], flags: 0x8000 }), false);
});

Deno.test("a truncated message is known as such, however it ends", () => {
  const bytes = buildResponse(QUERY, { ...FULL, flags: 0x8380 });
  assertEquals(decodeResponse(bytes.subarray(0, 40)).truncated, true);
});

Deno.test("a message that is truncated anywhere, or has wrong counts, is refused", () => {
  const bytes = buildResponse(QUERY, FULL);
  for (let length = 0; length < bytes.length; length++) {
    const error = assertThrows(() => decodeResponse(bytes.subarray(0, length)), DnsError);
    assertEquals(error.code, "dns_malformed");
  }
  for (const counts of [[1, 65_535, 0, 0], [1, 5, 65_535, 65_535], [0, 5, 2, 1], [2, 5, 2, 1]]) {
    assertThrows(() => decodeResponse(buildResponse(QUERY, { ...FULL, counts })), DnsError);
  }
});

Deno.test("what is no response, of another class, or a record of the wrong length, is refused", () => {
  assertThrows(() => decodeResponse(QUERY), DnsError, "it is not a response");
  assertThrows(() => decodeResponse(message("026462 00 0001 0003")), DnsError, "its class is not IN");
  for (const data of ["0003 0a0000", "0005 0a00000100"]) {
    assertThrows(() => decodeResponse(message(QUESTION, "c00c 0001 0001 00000005", data)), DnsError);
  }
  assertThrows(
    () => decodeResponse(message(QUESTION, "c00c 0021 0001 00000005 0006 000100010001")),
    DnsError,
  );
  // An alias whose name goes on behind its record.
  assertThrows(() => decodeResponse(message(QUESTION, "c00c 0005 0001 00000005 0002 0261 6200")), DnsError);
});

Deno.test("pointers that go round, ahead, beyond the end or through too many places are refused", () => {
  const cases = [
    "c014", // to itself
    "c016", // ahead
    "ffff", // beyond the end
    "0161 c014", // round, with a label on the way
    "80", // neither a length nor a pointer
    "40",
  ];
  for (const name of cases) {
    const bytes = message(QUESTION, name, "0001 0001 00000005 0004 0a000001");
    assertThrows(() => readName(bytes, 0x14), DnsError, "Cannot read a DNS name");
    assertThrows(() => decodeResponse(bytes), DnsError, "Cannot read a DNS name");
  }
  // Each pointer leads to the one before.
  const chain = Uint8Array.from([
    0,
    ...Array.from({ length: 40 }, (_, i) => [0xc0, i === 0 ? 0 : 2 * i - 1]).flat(),
  ]);
  assertEquals(readName(chain, 63).name, "");
  assertThrows(() => readName(chain, 65), DnsError, "it has a forward pointer or too many pointers");
});

Deno.test("a name that grows beyond 255 bytes by its pointers is refused", () => {
  const label = [63, ...Array(63).fill(97)];
  const bytes = Uint8Array.from([...label, ...label, ...label, 0, ...label, 0xc0, 0]);
  assertThrows(() => readName(bytes, 193), DnsError, "it is too long");
});

Deno.test("an answer counts only with the id and the question of its query", () => {
  const query = new DnsQuery({ name: "DB.internal.", type: "A" });
  assertEquals(query.read(buildResponse(query.bytes, FULL)).answers.length, 4);
  const others: Reply[] = [
    { idOff: 1 },
    { question: { name: "other.internal", type: "A" } },
    { question: { name: "db.internal", type: "AAAA" } },
  ];
  for (const reply of others) {
    assertThrows(
      () => query.read(buildResponse(query.bytes, reply)),
      DnsError,
      "it answers another question",
    );
  }
});

Deno.test("ids can't be told beforehand", () => {
  const ids = Array.from(
    { length: 50 },
    () => String(new DnsQuery({ name: "db", type: "A" }).bytes.subarray(0, 2)),
  );
  assert(new Set(ids).size > 40);
});

Deno.test("of 20,000 messages gone wrong, each is read or refused for what it is", () => {
  const random = seededRandom(20_26);
  const compressed = message(QUESTION, "c00c 0001 0001 00000005 0004 0a000001");
  const seeds = [buildResponse(QUERY, FULL), compressed];
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = mutate(seeds[i & 1]!, random);
    try {
      const { answers } = decodeResponse(bytes);
      read++;
      for (const { name } of answers) assert(name.length <= 4 * 255);
    } catch (error) {
      assert(error instanceof DnsError && error.code === "dns_malformed", `${i}: ${error} ${bytes}`);
    }
  }
  assert(read > 1_000 && read < 19_000, `${read} were read`);
});
