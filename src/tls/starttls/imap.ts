import { TlsHandshakeError } from "../session/handshake_errors.ts";
import { badPrelude, type PreludeStream, refusedByBackend, withoutTls } from "./prelude_stream.ts";
import type { StartTlsProtocol } from "./protocol.ts";
import { MAX_ANSWER_BYTES, readCommands, splitWord, toBytes } from "./text_command.ts";

const CAPABILITIES = "CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED";
/** RFC 3501, section 9. */
// deno-lint-ignore no-control-regex
const TAG = /^[^\x00-\x20\x7f-\xff(){%*"\\\]+]{1,64}$/;
const OUR_TAG = "tls1";

/** IMAP: STARTTLS, RFC 3501, section 6.2.1. */
export const imap: StartTlsProtocol = {
  async offer(stream) {
    await stream.write(`* OK [${CAPABILITIES}] Ready\r\n`);
    await readCommands(stream, async (line) => {
      const at = line.indexOf(" ");
      const tag = line.slice(0, at);
      if (at < 0 || !TAG.test(tag)) throw badPrelude("expected a command of IMAP");
      return await answer(stream, { tag, command: splitWord(line.slice(at + 1)) });
    });
  },

  async request(stream) {
    const greeting = await readGreeting(stream);
    await stream.write(`${OUR_TAG} STARTTLS\r\n`);
    for (;;) {
      const line = await stream.line(MAX_ANSWER_BYTES);
      if (line.startsWith("* ") && splitWord(line.slice(2))[0] !== "BYE") continue;
      if (!/^tls1 OK( |$)/i.test(line)) throw refusedByBackend(line);
      stream.requireEmpty();
      // The capabilities differ over TLS: clients ask again then.
      return toBytes(`${greeting.replace(/^(\* OK) \[CAPABILITY [^\]]*\]/i, "$1")}\r\n`);
    }
  },

  readGreeting,
};

async function answer(
  stream: PreludeStream,
  { tag, command: [verb, parameter] }: { tag: string; command: [string, string] },
): Promise<"go on" | "tls"> {
  switch (verb) {
    case "CAPABILITY":
      await stream.write(`* ${CAPABILITIES}\r\n${tag} OK Done\r\n`);
      return "go on";
    case "NOOP":
      await stream.write(`${tag} OK Done\r\n`);
      return "go on";
    case "LOGOUT":
      await stream.writeLast(`* BYE Bye\r\n${tag} OK Done\r\n`);
      throw new TlsHandshakeError("aborted");
    case "STARTTLS":
      if (parameter !== "") break;
      stream.requireEmpty();
      await stream.write(`${tag} OK Begin TLS negotiation now\r\n`);
      return "tls";
    case "LOGIN":
    case "AUTHENTICATE":
      await stream.writeLast(`${tag} NO [PRIVACYREQUIRED] STARTTLS is required\r\n`);
      throw withoutTls(verb);
  }
  await stream.write(`${tag} BAD STARTTLS is required\r\n`);
  return "go on";
}

/** A connection that is authenticated from the start can't begin TLS any more (RFC 9051, section 7.1.4). */
async function readGreeting(stream: PreludeStream): Promise<string> {
  const line = await stream.line(MAX_ANSWER_BYTES);
  if (/^\* OK( |$)/i.test(line)) return line;
  if (/^\* (?:PREAUTH|BYE)( |$)/i.test(line)) throw refusedByBackend(line);
  throw badPrelude("expected a greeting of IMAP");
}
