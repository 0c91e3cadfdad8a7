import { TlsHandshakeError } from "../session/handshake_errors.ts";
import { badPrelude, type PreludeStream, refusedByBackend, withoutTls } from "./prelude_stream.ts";
import type { StartTlsProtocol } from "./protocol.ts";
import { MAX_ANSWER_BYTES, readCommands, splitWord, toBytes } from "./text_command.ts";

/** SMTP: STARTTLS, RFC 3207. After TLS both sides forget what was said, and the client begins with EHLO again. */
export const smtp: StartTlsProtocol = {
  async offer(stream, { hostName }) {
    await stream.write(`220 ${hostName} ESMTP\r\n`);
    await readCommands(stream, async (line) => {
      const [verb, parameter] = splitWord(line);
      switch (verb) {
        case "EHLO":
          return await goOn(stream, `250-${hostName}\r\n250 STARTTLS`);
        case "HELO":
          return await goOn(stream, `250 ${hostName}`);
        case "NOOP":
        case "RSET":
          return await goOn(stream, "250 2.0.0 OK");
        case "QUIT":
          await stream.writeLast("221 2.0.0 Bye\r\n");
          throw new TlsHandshakeError("aborted");
        case "STARTTLS":
          if (parameter !== "") return await goOn(stream, "501 5.5.4 No parameters allowed");
          stream.requireEmpty();
          await stream.write("220 2.0.0 Ready to start TLS\r\n");
          return "tls";
        case "MAIL":
        case "AUTH":
          await stream.writeLast("530 5.7.0 Must issue a STARTTLS command first\r\n");
          throw withoutTls(verb);
        default:
          return await goOn(stream, "530 5.7.0 Must issue a STARTTLS command first");
      }
    });
  },

  async request(stream) {
    const greeting = await readReply(stream, "220");
    await stream.write("EHLO localhost\r\n");
    const extensions = (await readReply(stream, "250")).map((line) => splitWord(line.slice(4))[0]);
    // The first line is the server's name.
    if (!extensions.slice(1).includes("STARTTLS")) throw refusedByBackend("no STARTTLS among its extensions");
    await stream.write("STARTTLS\r\n");
    await readReply(stream, "220");
    stream.requireEmpty();
    return toBytes(greeting.map((line) => `${line}\r\n`).join(""));
  },

  readGreeting: (stream) => readReply(stream, "220"),
};

async function goOn(stream: PreludeStream, answer: string): Promise<"go on"> {
  await stream.write(`${answer}\r\n`);
  return "go on";
}

/** The lines of a reply, which must have this code. */
async function readReply(stream: PreludeStream, code: string): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const line = await stream.line(MAX_ANSWER_BYTES);
    const [, given, separator] = /^(\d{3})(?:([ -]).*)?$/.exec(line) ?? [];
    if (given === undefined) throw badPrelude("expected a reply of SMTP");
    if (given !== code) throw refusedByBackend(line);
    lines.push(line);
    if (separator !== "-") return lines;
  }
}
