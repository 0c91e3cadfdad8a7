import { assertEquals } from "@std/assert";
import type { StartTlsName } from "../../../src/tls/starttls/protocol.ts";
import { inBytes, requested } from "./starttls_fixture.ts";

const SSL_REQUEST = "\0\0\0\x08\x04\xd2\x16\x2f";
const START_TLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const LDAP_OK = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";
const EHLO = "EHLO localhost\r\n";

/** What a server sends, how that ends, what it is told, and the greeting that is left for its clients. */
const CASES: readonly [
  StartTlsName,
  what: string,
  answers: readonly string[],
  end: string,
  said: string,
  greeting?: string,
][] = [
  ["postgres", "S", ["S"], "tls", SSL_REQUEST],
  ["postgres", "N", ["N"], "starttls-refused", SSL_REQUEST],
  ["postgres", "an error", ["E\0\0\0\x10SFATAL\0\0"], "starttls-refused", SSL_REQUEST],
  ["postgres", "no answer", [], "aborted", SSL_REQUEST],

  [
    "smtp",
    "all is well",
    ["220 mx\r\n", "250-mx\r\n250-SIZE 1\r\n250 StartTLS\r\n", "220 go\r\n"],
    "tls",
    `${EHLO}STARTTLS\r\n`,
    "220 mx\r\n",
  ],
  [
    "smtp",
    "a long greeting",
    ["220-mx\r\n220-hi\r\n220 there\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"],
    "tls",
    `${EHLO}STARTTLS\r\n`,
    "220-mx\r\n220-hi\r\n220 there\r\n",
  ],
  ["smtp", "no STARTTLS", ["220 mx\r\n", "250-mx\r\n250 SIZE 1\r\n"], "starttls-refused", EHLO],
  ["smtp", "STARTTLS as its name alone", ["220 mx\r\n", "250 STARTTLS\r\n"], "starttls-refused", EHLO],
  ["smtp", "a refusal at once", ["421 too busy\r\n"], "starttls-refused", ""],
  [
    "smtp",
    "a refusal in the end",
    ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 not now\r\n"],
    "starttls-refused",
    `${EHLO}STARTTLS\r\n`,
  ],
  ["smtp", "another protocol", ["HTTP/1.1 400 Bad Request\r\n"], "bad-starttls", ""],
  ["smtp", "a line without CR", ["220 mx\n"], "bad-starttls", ""],

  ["imap", "all is well", ["* OK ready\r\n", "tls1 OK go\r\n"], "tls", "tls1 STARTTLS\r\n", "* OK ready\r\n"],
  [
    "imap",
    "what holds in clear alone is left out",
    ["* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n", "* CAPABILITY X\r\ntls1 ok\r\n"],
    "tls",
    "tls1 STARTTLS\r\n",
    "* OK ready\r\n",
  ],
  ["imap", "it has authenticated the connection already", ["* PREAUTH hi\r\n"], "starttls-refused", ""],
  ["imap", "a refusal at once", ["* BYE busy\r\n"], "starttls-refused", ""],
  [
    "imap",
    "a refusal in the end",
    ["* OK ready\r\n", "tls1 BAD what\r\n"],
    "starttls-refused",
    "tls1 STARTTLS\r\n",
  ],
  ["imap", "it leaves", ["* OK ready\r\n", "* BYE bye\r\n"], "starttls-refused", "tls1 STARTTLS\r\n"],

  ["pop3", "all is well", ["+OK <1.2@mx>\r\n", "+OK go\r\n"], "tls", "STLS\r\n", "+OK <1.2@mx>\r\n"],
  ["pop3", "a refusal at once", ["-ERR busy\r\n"], "starttls-refused", ""],
  ["pop3", "a refusal in the end", ["+OK\r\n", "-ERR no\r\n"], "starttls-refused", "STLS\r\n"],
  ["pop3", "another protocol", ["220 mx\r\n"], "bad-starttls", ""],

  ["ldap", "all is well", [LDAP_OK], "tls", START_TLS],
  ["ldap", "a refusal", [LDAP_OK.replace("\x0a\x01\0", "\x0a\x01\x02")], "starttls-refused", START_TLS],
  [
    "ldap",
    "the answer to something else",
    [LDAP_OK.replace("\x02\x01\x01", "\x02\x01\x02")],
    "bad-starttls",
    START_TLS,
  ],
  ["ldap", "another answer", [LDAP_OK.replace("\x78", "\x61")], "bad-starttls", START_TLS],
];

for (const [protocol, what, answers, end, said, greeting = ""] of CASES) {
  Deno.test(`${protocol} with backends: ${what}`, async () => {
    for (const pieces of [answers, inBytes(answers)]) {
      assertEquals(await requested(protocol, pieces), { end, said, rest: greeting });
    }
  });
}

Deno.test("what a backend sends in clear behind its last answer ends the connection", async () => {
  const all: readonly [StartTlsName, readonly string[]][] = [
    ["postgres", ["S"]],
    ["smtp", ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"]],
    ["imap", ["* OK ready\r\n", "tls1 OK go\r\n"]],
    ["pop3", ["+OK\r\n", "+OK\r\n"]],
    ["ldap", [LDAP_OK]],
  ];
  for (const [protocol, answers] of all) {
    for (const more of ["250 injected\r\n", "x", "\x15\x03\x01\0\x02\x01\0"]) {
      const { end, rest } = await requested(protocol, [...answers.slice(0, -1), answers.at(-1) + more]);
      assertEquals([end, rest], ["plaintext-injection", ""], protocol);
    }
  }
});

Deno.test("the clear text of a backend before TLS is bounded", async () => {
  const endless: readonly [StartTlsName, readonly string[], string][] = [
    ["smtp", [], "220-more\r\n"],
    ["smtp", ["220 mx\r\n"], "250-more\r\n"],
    ["imap", ["* OK\r\n"], "* more\r\n"],
    ["imap", [], "x".repeat(1000)],
    ["pop3", [], "x".repeat(1000)],
    ["ldap", [], "\x30\x82\x0f\xff" + "\0".repeat(4095)],
  ];
  for (const [protocol, answers, more] of endless) {
    const { end } = await requested(protocol, [...answers, ...Array.from({ length: 3000 }, () => more)]);
    assertEquals(end, "bad-starttls", protocol);
  }
});
