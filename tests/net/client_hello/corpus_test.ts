import { assert, assertEquals } from "@std/assert";
import { type ClientHello, parseClientHello } from "../../../src/net/client_hello/parse.ts";
import { readClientHello } from "../../../src/net/client_hello/read.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { microtasks } from "../../support/settle.ts";
import { handshakeOf, records } from "./hello_builder.ts";
import { joined } from "../hex.ts";

const TLS10 = 0x0301;
const TLS11 = 0x0302;
const TLS12 = 0x0303;
const TLS13 = 0x0304;
const HTTP = ["h2", "http/1.1"];
const LONG_ALPN = Array.from({ length: 60 }, (_, i) => `protocol-number-${i}`);

function hello(
  serverName: string | undefined,
  versions: readonly number[],
  more: Partial<ClientHello> = {},
): ClientHello {
  const rest = { alpn: [], versions, encryptedHello: false, ...more };
  return serverName === undefined ? rest : { ...rest, serverName };
}

/** What is in `corpus/`, and what the clients were told to say. */
const CORPUS: Readonly<Record<string, ClientHello>> = {
  "openssl-tls1.0": hello("openssl.example.org", [TLS10]),
  "openssl-tls1.2": hello("openssl.example.org", [TLS12]),
  "openssl-tls1.2-no-name": hello(undefined, [TLS12]),
  "openssl-tls1.3": hello("openssl.example.org", [TLS13], { alpn: HTTP }),
  "openssl-tls1.3-no-name": hello(undefined, [TLS13]),
  "openssl-three-records": hello("openssl.example.org", [TLS13, TLS12, TLS11, TLS10], { alpn: LONG_ALPN }),
  "curl-tls1.2": hello("curl.example.org", [TLS12], { alpn: HTTP }),
  "curl-tls1.3": hello("curl.example.org", [TLS13], { alpn: HTTP }),
  "go-tls1.2": hello("go.example.org", [TLS12], { alpn: HTTP }),
  "go-tls1.3": hello("go.example.org", [TLS13, TLS12], { alpn: HTTP }),
  "go-ech": hello("public.example.org", [TLS13], { encryptedHello: true }),
  "python-tls1.2": hello("python.example.org", [TLS12]),
  "python-tls1.3": hello("python.example.org", [TLS13, TLS12]),
  "node": hello("node.example.org", [TLS13, TLS12], { alpn: ["http/1.1"] }),
  "deno": hello("deno.example.org", [TLS13, TLS12], { alpn: ["h2"] }),
  "chromium-ech-grease": hello("chromium.example.org", [TLS13, TLS12], { alpn: HTTP, encryptedHello: true }),
  "chromium-tls1.2": hello("chromium.example.org", [TLS12], { alpn: HTTP }),
};

const FOLDER = new URL("./corpus/", import.meta.url);
const SAMPLES = Object.entries(CORPUS).map(([name, expected]) => ({
  name,
  expected,
  bytes: Deno.readFileSync(new URL(`${name}.bin`, FOLDER)),
}));

Deno.test("the corpus is complete, and nothing is in it that is not looked at", () => {
  const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".bin"));
  assertEquals(files.sort(), Object.keys(CORPUS).map((name) => `${name}.bin`).sort());
});

Deno.test("what real clients say is read as they were told to say it", () => {
  for (const { name, expected, bytes } of SAMPLES) {
    const parsed = { kind: "hello" as const, hello: expected, length: bytes.length };
    assertEquals(parseClientHello(bytes), parsed, name);
    assertEquals(parseClientHello(joined(bytes, [23, 3, 3, 0, 1, 0])), parsed, `${name}, early data follows`);
  }
});

Deno.test("whatever is missing of a hello, it is incomplete, and no more is asked for than will come", () => {
  for (const { name, bytes } of SAMPLES) {
    for (let length = 0; length < bytes.length; length++) {
      const parsed = parseClientHello(bytes.subarray(0, length));
      assert(parsed.kind === "incomplete", `${name}: ${length}`);
      assert(parsed.atLeast > length && parsed.atLeast <= bytes.length, `${name}: ${length}`);
    }
  }
});

Deno.test("a hello may be spread over records of any size", () => {
  for (const { name, expected, bytes } of SAMPLES) {
    const message = handshakeOf(bytes);
    for (const size of [1, 2, 3, 4, 5, 7, 100, message.length - 1, message.length]) {
      const spread = records(message, size);
      assertEquals(parseClientHello(spread), { kind: "hello", hello: expected, length: spread.length }, name);
    }
  }
});

Deno.test("a hello that comes byte by byte is read, in one record or in records of one byte", async () => {
  for (const { name, expected, bytes } of SAMPLES) {
    for (const stream of [bytes, records(handshakeOf(bytes), 1)]) {
      const [peer, connection] = memoryPair({ capacity: 1 });
      const sending = peer.send(joined(stream, "!"));
      const read = await readClientHello(connection);
      assertEquals([read.hello, read.bytes], [expected, stream], name);
      assertEquals(await connection.receive(), "!");
      await sending;
    }
  }
});

Deno.test("a hello that comes in two pieces, wherever it is split, is read", async () => {
  for (const { name, expected, bytes } of SAMPLES) {
    for (let at = 1; at < bytes.length; at++) {
      const [peer, connection] = memoryPair();
      const reading = readClientHello(connection);
      await peer.send(bytes.subarray(0, at));
      await microtasks(20);
      await peer.send(bytes.subarray(at));
      const read = await reading;
      assertEquals(read.hello, expected, `${name}, split at ${at}`);
      assertEquals(read.bytes.length, bytes.length, `${name}, split at ${at}`);
    }
  }
});
