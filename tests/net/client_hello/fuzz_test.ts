import { assert, assertEquals } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { parseClientHello } from "../../../src/net/client_hello/parse.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { clientHello, extension, handshakeOf, records, serverName, vector } from "./hello_builder.ts";
import { joined } from "../hex.ts";
import { mutate } from "../mutate.ts";

const FOLDER = new URL("./corpus/", import.meta.url);
const MADE = clientHello({
  extensions: joined(
    serverName("a.example.org"),
    extension(16, vector(2, vector(1, "h2"))),
    extension(43, [2, 3, 4]),
  ),
});
const GOOD = [
  MADE,
  ...[...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".bin")).sort()
    .map((name) => Deno.readFileSync(new URL(name, FOLDER))),
];
const MOST_BYTES = 32 * 1024;

function parse(bytes: Uint8Array, context: string) {
  try {
    return parseClientHello(bytes);
  } catch (error) {
    if (error instanceof CulvertError && error.code === "bad_client_hello") return undefined;
    throw new Error(context, { cause: error });
  }
}

/**
 * Whatever the bytes are, they are read, or are too few, or are refused; and no byte beyond the hello counts.
 */
function check(bytes: Uint8Array, context: string): boolean {
  const parsed = parse(bytes, context);
  if (parsed === undefined) return false;
  if (parsed.kind === "incomplete") {
    assert(parsed.atLeast > bytes.length && parsed.atLeast <= MOST_BYTES, context);
    return false;
  }
  const { hello, length } = parsed;
  assert(length <= bytes.length, context);
  assertEquals(parse(bytes.slice(0, length), context), parsed, context);
  // How it is spread over records changes nothing.
  const again = parse(records(handshakeOf(bytes.slice(0, length)), 9), context);
  assert(again?.kind === "hello", context);
  assertEquals(again.hello, hello, context);
  if (hello.serverName !== undefined) {
    assert(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(hello.serverName), context);
    const text = String.fromCharCode(...handshakeOf(bytes.slice(0, length))).toLowerCase();
    assert(text.includes(hello.serverName), context);
  }
  return true;
}

Deno.test("mutated hellos are read or refused, and never anything else", () => {
  let read = 0;
  for (let seed = 1; seed <= 4000; seed++) {
    const random = seededRandom(seed);
    if (check(mutate(GOOD[Math.floor(random() * GOOD.length)]!, random), `seed ${seed}`)) read++;
  }
  assert(read > 100, `only ${read} were read`); // Else the mutations are too wild to show anything.
});

Deno.test("random bytes behind a good beginning are read or refused, and never anything else", () => {
  for (let seed = 1; seed <= 3000; seed++) {
    const random = seededRandom(seed);
    const good = GOOD[Math.floor(random() * GOOD.length)]!;
    const kept = Math.floor(random() * good.length);
    const bytes = Uint8Array.from({ length: kept + Math.floor(random() * 300) }, () => random() * 256);
    bytes.set(good.subarray(0, kept));
    check(bytes, `seed ${seed}`);
  }
});
