import { assertEquals } from "@std/assert";
import type { StartTlsName } from "../../../src/tls/starttls/protocol.ts";
import { MAX_PRELUDE_BYTES } from "../../../src/tls/starttls/prelude_stream.ts";
import { inBytes, offered } from "./starttls_fixture.ts";

const SSL_REQUEST = "\0\0\0\x08\x04\xd2\x16\x2f";
const GSS_REQUEST = "\0\0\0\x08\x04\xd2\x16\x30";
const CANCEL_REQUEST = "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02";
const STARTUP = "\0\0\0\x12\0\x03\0\0user\0alice\0\0";
const ERROR =
  "E\0\0\0\x52SFATAL\0VFATAL\0C28000\0MTLS is required: connect with sslmode=require or above\0\0";
const START_TLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const START_TLS_OK = "\x30\x24\x02\x01\x01\x78\x1f\x0a\x01\0\x04\0\x04\0\x8a\x161.3.6.1.4.1.1466.20037";
const BIND = "\x30\x0c\x02\x01\x07\x60\x07\x02\x01\x03\x04\0\x80\0";
const SEARCH = "\x30\x06\x02\x01\x05\x63\x01\0";
/** The beginning of a ClientHello. */
const HELLO = "\x16\x03\x01\x02\0\x01";

const SMTP = "220 mx.test ESMTP\r\n";
const IMAP = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] Ready\r\n";
const POP3 = "+OK Ready\r\n";
const NEED = "530 5.7.0 Must issue a STARTTLS command first\r\n";

/** What a client sends piece by piece, how that ends, and what it is told. */
const CASES: readonly [StartTlsName, what: string, pieces: readonly string[], end: string, said: string][] = [
  ["postgres", "an SSLRequest", [SSL_REQUEST], "tls", "S"],
  ["postgres", "GSSAPI first", [GSS_REQUEST, SSL_REQUEST], "tls", "NS"],
  ["postgres", "TLS from the first byte on", [HELLO], "tls", ""],
  ["postgres", "TLS after GSSAPI", [GSS_REQUEST, HELLO], "tls", "N"],
  ["postgres", "no TLS", [STARTUP], "no-starttls", ERROR],
  ["postgres", "a CancelRequest in clear", [CANCEL_REQUEST], "no-starttls", ""],
  ["postgres", "GSSAPI twice", [GSS_REQUEST, GSS_REQUEST], "bad-starttls", "N"],
  ["postgres", "another length", ["\0\0\0\x09\x04\xd2\x16\x2f"], "bad-starttls", ""],
  ["postgres", "another protocol", ["GET / HTTP/1.1\r\n\r\n"], "bad-starttls", ""],
  ["postgres", "half a request", ["\0\0\0\x08\x04"], "aborted", ""],
  ["postgres", "nothing", [], "aborted", ""],

  [
    "smtp",
    "STARTTLS",
    ["EHLO a\r\n", "STARTTLS\r\n"],
    "tls",
    `${SMTP}250-mx.test\r\n250 STARTTLS\r\n220 2.0.0 Ready to start TLS\r\n`,
  ],
  [
    "smtp",
    "STARTTLS in small letters",
    ["ehlo a\r\nstarttls\r\n"],
    "tls",
    `${SMTP}250-mx.test\r\n250 STARTTLS\r\n220 2.0.0 Ready to start TLS\r\n`,
  ],
  [
    "smtp",
    "commands besides",
    ["HELO a\r\n", "NOOP\r\n", "HELP\r\n", "STARTTLS x\r\n", "STARTTLS\r\n"],
    "tls",
    `${SMTP}250 mx.test\r\n250 2.0.0 OK\r\n${NEED}501 5.5.4 No parameters allowed\r\n220 2.0.0 Ready to start TLS\r\n`,
  ],
  [
    "smtp",
    "mail in clear",
    ["EHLO a\r\n", "MAIL FROM:<a@b>\r\n"],
    "no-starttls",
    `${SMTP}250-mx.test\r\n250 STARTTLS\r\n${NEED}`,
  ],
  ["smtp", "a password in clear", ["AUTH PLAIN AGEAYg==\r\n"], "no-starttls", SMTP + NEED],
  ["smtp", "leaving politely", ["QUIT\r\n"], "aborted", `${SMTP}221 2.0.0 Bye\r\n`],
  ["smtp", "a line without CR", ["EHLO a\n"], "bad-starttls", SMTP],
  ["smtp", "a CR within a line", ["EHLO a\rb\r\n"], "bad-starttls", SMTP],
  ["smtp", "a NUL within a line", ["EHLO a\0b\r\n"], "bad-starttls", SMTP],
  ["smtp", "TLS from the first byte on", [HELLO], "bad-starttls", SMTP],

  ["imap", "STARTTLS", ["a1 STARTTLS\r\n"], "tls", `${IMAP}a1 OK Begin TLS negotiation now\r\n`],
  [
    "imap",
    "commands besides",
    ["1 capability\r\n", "2 noop\r\n", "3 ID NIL\r\n", "4 starttls\r\n"],
    "tls",
    `${IMAP}* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n1 OK Done\r\n2 OK Done\r\n3 BAD STARTTLS is required\r\n4 OK Begin TLS negotiation now\r\n`,
  ],
  [
    "imap",
    "a password in clear",
    ["a LOGIN a b\r\n"],
    "no-starttls",
    `${IMAP}a NO [PRIVACYREQUIRED] STARTTLS is required\r\n`,
  ],
  ["imap", "leaving politely", ["a LOGOUT\r\n"], "aborted", `${IMAP}* BYE Bye\r\na OK Done\r\n`],
  ["imap", "a bad tag", ["a+ STARTTLS\r\n"], "bad-starttls", IMAP],
  ["imap", "TLS from the first byte on", [HELLO], "bad-starttls", IMAP],
  ["imap", "no tag", ["STARTTLS\r\n"], "bad-starttls", IMAP],

  ["pop3", "STLS", ["STLS\r\n"], "tls", `${POP3}+OK Begin TLS negotiation\r\n`],
  [
    "pop3",
    "commands besides",
    ["CAPA\r\n", "STAT\r\n", "STLS now\r\n", "stls\r\n"],
    "tls",
    `${POP3}+OK\r\nSTLS\r\n.\r\n-ERR STLS is required\r\n-ERR STLS is required\r\n+OK Begin TLS negotiation\r\n`,
  ],
  ["pop3", "a password in clear", ["USER a\r\n"], "no-starttls", `${POP3}-ERR STLS is required\r\n`],
  ["pop3", "TLS from the first byte on", [HELLO], "bad-starttls", POP3],
  ["pop3", "leaving politely", ["QUIT\r\n"], "aborted", `${POP3}+OK Bye\r\n`],

  ["ldap", "StartTLS", [START_TLS], "tls", START_TLS_OK],
  [
    "ldap",
    "StartTLS with a long form of its length",
    [`\x30\x81\x1d${START_TLS.slice(2)}`],
    "tls",
    START_TLS_OK,
  ],
  [
    "ldap",
    "a search before",
    [SEARCH, START_TLS],
    "tls",
    `\x30\x1b\x02\x01\x05\x65\x16\x0a\x01\x0d\x04\0\x04\x0fTLS is required${START_TLS_OK}`,
  ],
  [
    "ldap",
    "a bind in clear",
    [BIND],
    "no-starttls",
    "\x30\x1b\x02\x01\x07\x61\x16\x0a\x01\x0d\x04\0\x04\x0fTLS is required",
  ],
  ["ldap", "leaving politely", ["\x30\x05\x02\x01\x02\x42\0"], "aborted", ""],
  ["ldap", "another protocol", ["GET / HTTP/1.1\r\n\r\n"], "bad-starttls", ""],
  ["ldap", "an indefinite length", ["\x30\x80\x02\x01\x01"], "bad-starttls", ""],
  ["ldap", "a message that is too large", ["\x30\x84\x7f\xff\xff\xff"], "bad-starttls", ""],
  ["ldap", "a length beyond the message", ["\x30\x05\x02\x01\x01\x77\x7f"], "bad-starttls", ""],
  ["ldap", "TLS from the first byte on", [HELLO], "bad-starttls", ""],
];

for (const [protocol, what, pieces, end, said] of CASES) {
  Deno.test(`${protocol} to clients: ${what}`, async () => {
    const direct = pieces.at(-1) === HELLO && end === "tls";
    // Of TLS from the first byte on, what has been read is read again.
    const whole = await offered(protocol, pieces);
    assertEquals(whole, { end, said, rest: direct ? HELLO : "" });
    const split = await offered(protocol, inBytes(pieces));
    assertEquals({ ...split, rest: "" }, { end, said, rest: "" });
  });
}

/** All that a client may say up to the request for TLS, that included, and the answers that come before that one. */
const REQUESTS: readonly [StartTlsName, request: string, before: string][] = [
  ["postgres", SSL_REQUEST, ""],
  ["postgres", GSS_REQUEST, ""],
  ["smtp", "STARTTLS\r\n", SMTP],
  ["imap", "a STARTTLS\r\n", IMAP],
  ["pop3", "STLS\r\n", POP3],
  ["ldap", START_TLS, ""],
];

Deno.test("what a client sends in clear behind its request for TLS ends the connection, and the request is not granted", async () => {
  for (const [protocol, request, before] of REQUESTS) {
    for (const more of ["EHLO injected\r\n", "x", "\0", HELLO, SSL_REQUEST]) {
      const expected = { end: "plaintext-injection", said: before, rest: "" };
      assertEquals(await offered(protocol, [request + more]), expected, `${protocol}: ${more}`);
    }
  }
});

Deno.test("the clear text of a client before TLS is bounded, in bytes and in commands", async () => {
  const talk: readonly [StartTlsName, string][] = [
    ["smtp", "NOOP\r\n"],
    ["imap", "a NOOP\r\n"],
    ["pop3", "CAPA\r\n"],
    ["ldap", SEARCH],
    ["smtp", "x".repeat(100)],
    ["ldap", "\x30\x82\x0f\xff" + "\0".repeat(4095)],
  ];
  for (const [protocol, piece] of talk) {
    const { end, said } = await offered(protocol, Array.from({ length: 1000 }, () => piece));
    assertEquals(end, "bad-starttls", protocol);
    assertEquals(said.length < MAX_PRELUDE_BYTES, true);
  }
});
