import { assertEquals } from "@std/assert";
import { type Address, parseAddress } from "../../src/net/address.ts";
import { answers } from "../../src/net/answers.ts";

const ADDRESSES = [
  "127.0.0.1:1",
  "127.0.0.2:1",
  "[::1]:1",
  "0.0.0.0:1",
  "[::]:1",
  "localhost:1",
  "10.0.0.1:1",
];

/** Which of the addresses each listener answers, and nothing of another port. */
const ANSWERED: readonly [listener: string, answered: string][] = [
  [":1", "127.0.0.1 127.0.0.2 ::1 0.0.0.0 :: localhost"],
  ["0.0.0.0:1", "127.0.0.1 127.0.0.2 0.0.0.0 :: localhost"],
  ["[::]:1", "127.0.0.1 127.0.0.2 ::1 0.0.0.0 :: localhost"],
  ["127.0.0.1:1", "127.0.0.1 0.0.0.0 :: localhost"],
  ["127.0.0.2:1", "127.0.0.2"],
  ["[::1]:1", "::1 0.0.0.0 :: localhost"],
  ["localhost:1", "127.0.0.1 ::1 0.0.0.0 :: localhost"],
  ["10.0.0.1:1", "10.0.0.1"],
  ["app.internal:1", ""],
];

const hostOf = (address: Address) => address.kind === "tcp" ? address.host : address.path;

for (const [listener, answered] of ANSWERED) {
  Deno.test(`a listener on ${listener} answers ${answered || "nothing known"}`, () => {
    const bound = parseAddress(listener);
    const found = ADDRESSES.map(parseAddress).filter((target) => answers(bound, target)).map(hostOf);
    assertEquals(found.join(" "), answered);
    const elsewhere = ADDRESSES.map((text) => parseAddress(text.replace(/:1$/, ":2")));
    assertEquals(elsewhere.filter((target) => answers(bound, target)), []);
  });
}

Deno.test("one address in several forms is one, and a path answers itself alone", () => {
  const pairs: [string, string][] = [
    ["[::ffff:127.0.0.1]:1", "127.0.0.1:1"],
    ["App.Internal:1", "app.internal.:1"],
    ["[2001:db8:0:0::1]:1", "[2001:db8::1]:1"],
    ["unix:/run/a.sock", "unix:/run/a.sock"],
  ];
  for (const [a, b] of pairs) assertEquals(answers(parseAddress(a), parseAddress(b)), true, `${a} ${b}`);
  assertEquals(answers(parseAddress("unix:/run/a.sock"), parseAddress("unix:/run/b.sock")), false);
  assertEquals(answers(parseAddress("unix:/run/a.sock"), parseAddress("127.0.0.1:1")), false);
});
