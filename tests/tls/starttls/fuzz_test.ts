import { assert } from "@std/assert";
import { STARTTLS_NAMES, type StartTlsName } from "../../../src/tls/starttls/protocol.ts";
import { numbers } from "../../support/random.ts";
import { offered, requested } from "./starttls_fixture.ts";

/** How a prelude may end. Anything else that is thrown, and a connection that stays open, fails the test. */
const ENDS = ["tls", "aborted", "bad-starttls", "no-starttls", "plaintext-injection", "starttls-refused"];
const CASES = 400;

const CLIENTS: Readonly<Record<StartTlsName, readonly string[]>> = {
  postgres: ["\0\0\0\x08\x04\xd2\x16\x30", "\0\0\0\x08\x04\xd2\x16\x2f"],
  mysql: [],
  smtp: ["EHLO a\r\n", "NOOP\r\n", "STARTTLS\r\n"],
  imap: ["a CAPABILITY\r\n", "b STARTTLS\r\n"],
  pop3: ["CAPA\r\n", "STLS\r\n"],
  ldap: ["\x30\x06\x02\x01\x05\x63\x01\0", "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"],
};

const SERVERS: Readonly<Record<StartTlsName, readonly string[]>> = {
  postgres: ["S"],
  mysql: [
    `\x4a\0\0\0\x0a8.0\0\x01\0\0\0saltsalt\0\xff\xff\x2d\x02\0\xff\xff\x15${
      "\0".repeat(10)
    }saltsaltsalt\0mysql_native_password\0`,
  ],
  smtp: ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"],
  imap: ["* OK [CAPABILITY IMAP4rev1] hi\r\n", "tls1 OK go\r\n"],
  pop3: ["+OK hi\r\n", "+OK go\r\n"],
  ldap: ["\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0"],
};

type Random = (below: number) => number;

/** The pieces with something changed, left out, doubled or put in. */
function mutate(pieces: readonly string[], random: Random): string[] {
  const texts = [...pieces];
  for (let count = 1 + random(3); count > 0; count--) {
    const index = random(texts.length);
    const text = texts[index]!;
    const at = random(text.length + 1);
    const byte = String.fromCharCode(random(256));
    const changes = [
      text.slice(0, at) + byte + text.slice(at + 1),
      text.slice(0, at),
      text.slice(0, at) + byte.repeat(1 + random(2000)) + text.slice(at),
      text + text,
    ];
    texts[index] = changes[random(changes.length)]!;
  }
  return texts;
}

for (const name of STARTTLS_NAMES) {
  Deno.test(`${name}: whatever a peer says before TLS, it ends with a reason`, async () => {
    const sequence = numbers(1);
    const random = (below: number) => Math.floor(sequence.next().value * below);
    for (let i = 0; i < CASES; i++) {
      for (const [play, pieces] of [[offered, CLIENTS[name]], [requested, SERVERS[name]]] as const) {
        if (pieces.length === 0) continue; // MySQL's is not offered by us.
        const said = mutate(pieces, random);
        const { end } = await play(name, said);
        assert(ENDS.includes(end), `${end}: ${JSON.stringify(said)}`);
      }
    }
  });
}
