import { assert, assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { type ClientHello, parseClientHello } from "../../../src/net/client_hello/parse.ts";
import {
  clientHello,
  extension,
  handshake,
  helloMessage,
  record,
  records,
  serverName,
} from "./hello_builder.ts";
import { type HelloParts, uint, vector } from "./hello_builder.ts";
import { hex, joined } from "../hex.ts";

function parse(bytes: Uint8Array): ClientHello {
  const parsed = parseClientHello(bytes);
  assert(parsed.kind === "hello");
  return parsed.hello;
}

const withExtensions = (...extensions: Uint8Array[]) => clientHello({ extensions: joined(...extensions) });
const PLAIN: ClientHello = { alpn: [], versions: [0x0303], encryptedHello: false };
const GREASE = joined(extension(0x0a0a), extension(0xfafa, [0]), extension(0xeaea, new Uint8Array(300)));

const GOOD: readonly [name: string, bytes: Uint8Array, hello: ClientHello][] = [
  ["no extensions at all", clientHello(), PLAIN],
  ["an empty list of them", withExtensions(), PLAIN],
  ["SSLv3", clientHello({ version: [3, 0] }), { ...PLAIN, versions: [0x0300] }],
  ["a name in capitals", withExtensions(serverName("WWW.Example.ORG")), {
    ...PLAIN,
    serverName: "www.example.org",
  }],
  ["GREASE everywhere", withExtensions(GREASE, serverName("a.b"), extension(0xdada)), {
    ...PLAIN,
    serverName: "a.b",
  }],
  [
    "versions with GREASE among them",
    withExtensions(extension(43, vector(1, hex("8a8a 0304 0303 7f1c 0a1a")))),
    { ...PLAIN, versions: [0x0304, 0x0303, 0x7f1c, 0x0a1a] },
  ],
  ["nothing but GREASE for versions", withExtensions(extension(43, vector(1, hex("1a1a")))), {
    ...PLAIN,
    versions: [],
  }],
  [
    "protocols, of which one is no text",
    withExtensions(extension(16, vector(2, vector(1, "h2"), vector(1, hex("0a ff"))))),
    { ...PLAIN, alpn: ["h2", "\n\xff"] },
  ],
  ["an encrypted hello, whatever it is", withExtensions(extension(0xfe0d, hex("ffff")), serverName("out")), {
    ...PLAIN,
    serverName: "out",
    encryptedHello: true,
  }],
  ["a session id as long as can be", clientHello({ sessionId: vector(1, new Uint8Array(32)) }), PLAIN],
  ["an unknown minor version of the record", joined([22, 3, 99], clientHello().subarray(3)), PLAIN],
];

Deno.test("hellos made by hand are read", () => {
  for (const [name, bytes, hello] of GOOD) assertEquals(parse(bytes), hello, name);
});

Deno.test("a hello of 16 KiB is read, in one record and in many, and not one byte more", () => {
  const message = (size: number) => {
    const empty = helloMessage({ extensions: extension(21) }).length;
    return helloMessage({ extensions: extension(21, new Uint8Array(size - empty)) });
  };
  const longest = message(16_384);
  assertEquals(parse(records(longest, 16_384)), PLAIN);
  assertEquals(parse(records(longest, 100)), PLAIN);
  assertRefused(records(message(16_385), 16_384), "it takes 16385 bytes, more than 16384");
  // Four bytes of it are enough to know.
  assertRefused(records(message(16_385), 16_384).subarray(0, 9), "it takes 16385 bytes, more than 16384");
  assertRefused(records(longest, 1), "its records take more than 32768 bytes");
});

Deno.test("wherever its own header is cut by records, no hello is taken for complete too early", () => {
  // 772 bytes: its first bytes are 01 00 03 00, of which three, or two, could be taken for its length.
  for (const body of [2, 3, 512, 514, 768, 769]) {
    const message = handshake(1, new Uint8Array(body));
    for (let at = 0; at < 4; at++) {
      const cut = joined(records(message.subarray(0, at), 1), record(22, message.subarray(at)));
      const begun = cut.subarray(0, at * 6);
      assertEquals(parseClientHello(begun).kind, "incomplete", `${body} bytes, cut at ${at}`);
    }
  }
});

const NAME = serverName("a.example.org");
const LONG_LABEL = "x".repeat(64);
const LONG_NAME = `${"x".repeat(49)}.`.repeat(5) + "abcd";

const NAMES: readonly [name: Uint8Array | string, reason: string][] = [
  ["", 'the server name "" is empty'],
  ["a.example.org..", 'the server name "a.example.org.." is not a name without a dot at its end'],
  [".", 'the server name "." is empty'],
  ["192.0.2.1.", 'the server name "192.0.2.1." is an IP address'],
  [".a", 'the server name ".a" is no host name'],
  ["a..b", 'the server name "a..b" is no host name'],
  ["a b", 'the server name "a b" is no host name'],
  ["a\0b", 'the server name "a\\u0000b" is no host name'],
  ["a.b\r\nX: y", 'the server name "a.b\\r\\nX: y" is no host name'],
  ["*.example.org", 'the server name "*.example.org" is no host name'],
  ["a/b", 'the server name "a/b" is no host name'],
  ["müller.example", 'the server name "m\\u00c3\\u00bcller.example" is not ASCII'],
  [hex("ff"), 'the server name "\\u00ff" is not ASCII'],
  ["192.0.2.1", 'the server name "192.0.2.1" is an IP address'],
  ["192.0.2.08", 'the server name "192.0.2.08" is an IP address, or too much like one'],
  ["127.1", 'the server name "127.1" is an IP address, or too much like one'],
  ["0x7f000001", 'the server name "0x7f000001" is an IP address, or too much like one'],
  ["::1", 'the server name "::1" is an IP address'],
  ["[::1]", 'the server name "[::1]" is no host name'],
  ["a.example.org:443", 'the server name "a.example.org:443" is no host name'],
  [`${LONG_LABEL}.org`, `the server name "${LONG_LABEL}.org" is no host name`],
  [LONG_NAME, `the server name "${LONG_NAME.slice(0, 80)}…" is longer than 253 characters`],
];

/** The server name extensions that hold no host name, though they can be read. */
const NO_NAMES: readonly [extension: Uint8Array, reason: string][] = [
  ...NAMES.map(([name, reason]) => [serverName(name), reason] as [Uint8Array, string]),
  [extension(0, hex("0000")), "the list of server names is empty"],
  [extension(0, hex("0004 01 0001 61")), "the server name is of type 1"],
  [serverName("a.b", "c.d"), "there is more than one server name"],
];

Deno.test("a hello whose server name is no host name is read, and says what the name is", () => {
  for (const [extension, reason] of NO_NAMES) {
    assertEquals(parse(withExtensions(extension)), { ...PLAIN, serverNameFault: reason });
  }
});

Deno.test("a dot at the end is not part of a server name", () => {
  assertEquals(parse(withExtensions(serverName("A.example.org."))), {
    ...PLAIN,
    serverName: "a.example.org",
  });
});

const BAD_PARTS: readonly [parts: HelloParts, reason: string][] = [
  [{ sessionId: vector(1, new Uint8Array(33)) }, "the session id is longer than 32 bytes"],
  [{ ciphers: vector(2) }, "the cipher suites take 0 bytes"],
  [{ ciphers: vector(2, [1, 2, 3]) }, "the cipher suites take 3 bytes"],
  [{ compression: vector(1) }, "there is no compression method"],
  [{ ciphers: hex("ffff 1301") }, "the cipher suites is cut short: 65535 bytes announced"],
  [{ extensions: hex("00") }, "an extension's type is cut short: 2 bytes announced, 1 there"],
  [{ extensions: hex("000a") }, "the length of the extension 10 is cut short"],
  [{ extensions: hex("000a 0001") }, "the extension 10 is cut short: 1 bytes announced, 0 there"],
  [{ extensions: joined(NAME, NAME) }, "the extension 0 comes twice"],
  [{ extensions: joined(extension(10), NAME, extension(10)) }, "the extension 10 comes twice"],
  [{ extensions: extension(0) }, "the length of the list of server names is cut short"],
  [{ extensions: extension(0, hex("0004 00 0001 61 00")) }, "1 bytes too many in the server name extension"],
  [{ extensions: extension(0, hex("0005 00 0001 61")) }, "the list of server names is cut short"],
  // The name would reach beyond its list, into the extension that follows.
  [
    { extensions: joined(extension(0, hex("0004 00 0003 61")), extension(10)) },
    "the server name is cut short",
  ],
  [{ extensions: extension(0, hex("0001 00")) }, "the length of the server name is cut short"],
  [{ extensions: extension(16, hex("0000")) }, "the list of protocols is empty"],
  [{ extensions: extension(16, hex("0001 00")) }, "a protocol's name is empty"],
  [{ extensions: extension(16, hex("0002 02 61")) }, "a protocol's name is cut short"],
  [{ extensions: extension(16, hex("0002 01 61 00")) }, "1 bytes too many in the ALPN extension"],
  [{ extensions: extension(43, hex("00")) }, "the list of versions is empty"],
  [{ extensions: extension(43, hex("03 0304 03")) }, "a version is cut short"],
  [{ extensions: extension(43, hex("02 0304 00")) }, "1 bytes too many in the versions extension"],
];

Deno.test("a hello whose lengths lie, or that says something twice, is refused", () => {
  for (const [parts, reason] of BAD_PARTS) assertRefused(clientHello(parts), reason);
});

const MESSAGE = helloMessage({ extensions: NAME });
const HALF = record(22, MESSAGE.subarray(0, 20));

const BAD_STREAMS: readonly [bytes: Uint8Array, reason: string][] = [
  [joined("G"), "the stream is no TLS, but looks like text (plain HTTP, or a PROXY header?)"],
  [joined("GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n"), "the stream is no TLS, but looks like text"],
  [joined("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), "the stream is no TLS, but looks like text"],
  // SSLv2 as OpenSSL once sent it, for versions up to TLS 1.0.
  [hex("80 2e 01 03 01 00 15 00 00 00 10"), "the stream is no TLS that is known today (an SSLv2 hello?)"],
  [hex("00"), "the stream is no TLS, it begins with the byte 0"],
  [hex("15 03 01 00 02 02 28"), "the stream begins with an alert"],
  [hex("17 03 03 00 01 00"), "the stream is no TLS, it begins with the byte 23"],
  [hex("16 02"), "a record of the version 2.x, where TLS has 3.x"],
  [hex("16 fe ff 00 00"), "a record of the version 254.x, where TLS has 3.x"],
  [record(22, hex("")), "an empty record"],
  [joined(...Array.from({ length: 100 }, () => record(22, hex("")))), "an empty record"],
  [joined(HALF, record(22, hex(""))), "an empty record"],
  [hex("16 03 01 40 01"), "a record of 16385 bytes, more than 16384"],
  [hex("16 03 01 ff ff"), "a record of 65535 bytes, more than 16384"],
  [record(22, hex("02")), "the handshake begins with a message of type 2"],
  [record(22, hex("01 ff ff ff")), "it takes 16777219 bytes, more than 16384"],
  [joined(HALF, record(23, MESSAGE.subarray(20))), "a record of type 23 comes before its end"],
  [joined(HALF, [21]), "an alert comes before its end"],
  [joined(HALF, hex("16 04")), "a record of the version 4.x, where TLS has 3.x"],
  [record(22, joined(MESSAGE, [1])), "1 bytes follow it in its record"],
  [record(22, joined(MESSAGE, MESSAGE)), `${MESSAGE.length} bytes follow it in its record`],
  [joined(HALF, record(22, joined(MESSAGE.subarray(20), [0, 0]))), "2 bytes follow it in its record"],
  [
    joined(records(MESSAGE.subarray(0, 3), 1), record(22, joined(MESSAGE.subarray(3), [0]))),
    "1 bytes follow it",
  ],
  [record(22, handshake(1, hex(""))), "its version is cut short: 2 bytes announced, 0 there"],
  [record(22, handshake(1, hex("0303"))), "its random is cut short: 32 bytes announced, 0 there"],
  [
    record(22, handshake(1, joined(helloMessage({ extensions: NAME }).subarray(4), [7]))),
    "1 bytes too many in it",
  ],
];

Deno.test("a stream that is no TLS, or whose records are wrong, is refused with the reason", () => {
  for (const [bytes, reason] of BAD_STREAMS) assertRefused(bytes, reason);
});

Deno.test("what is wrong with records is known before they are complete", () => {
  const early = record(22, joined(MESSAGE, MESSAGE)).subarray(0, 9);
  assertRefused(early, `${MESSAGE.length} bytes follow it in its record`);
  assertRefused(joined(HALF, [22, 3, 1], uint(MESSAGE.length, 2)), "20 bytes follow it in its record");
});

function assertRefused(bytes: Uint8Array, reason: string): void {
  const error = assertThrows(() => parseClientHello(bytes), CulvertError);
  assertEquals(error.code, "bad_client_hello");
  const message = `Cannot read the ClientHello: ${reason}`;
  assertEquals(error.message.slice(0, message.length), message);
}
