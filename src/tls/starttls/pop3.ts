import { TlsHandshakeError } from "../session/handshake_errors.ts";
import { badPrelude, type PreludeStream, refusedByBackend, withoutTls } from "./prelude_stream.ts";
import type { StartTlsProtocol } from "./protocol.ts";
import { MAX_ANSWER_BYTES, readCommands, splitWord, toBytes } from "./text_command.ts";

/** POP3: STLS, RFC 2595, section 4. */
export const pop3: StartTlsProtocol = {
  async offer(stream) {
    await stream.write("+OK Ready\r\n");
    await readCommands(stream, async (line) => {
      const [verb, parameter] = splitWord(line);
      switch (verb) {
        case "CAPA":
          await stream.write("+OK\r\nSTLS\r\n.\r\n");
          return "go on";
        case "QUIT":
          await stream.writeLast("+OK Bye\r\n");
          throw new TlsHandshakeError("aborted");
        case "STLS":
          if (parameter !== "") break;
          stream.requireEmpty();
          await stream.write("+OK Begin TLS negotiation\r\n");
          return "tls";
        case "USER":
        case "APOP":
        case "AUTH":
          await stream.writeLast("-ERR STLS is required\r\n");
          throw withoutTls(verb);
      }
      await stream.write("-ERR STLS is required\r\n");
      return "go on";
    });
  },

  async request(stream) {
    const greeting = await readOk(stream);
    await stream.write("STLS\r\n");
    await readOk(stream);
    stream.requireEmpty();
    return toBytes(`${greeting}\r\n`);
  },

  readGreeting: readOk,
};

async function readOk(stream: PreludeStream): Promise<string> {
  const line = await stream.line(MAX_ANSWER_BYTES);
  if (/^\+OK( |$)/.test(line)) return line;
  if (/^-ERR( |$)/.test(line)) throw refusedByBackend(line);
  throw badPrelude("expected an answer of POP3");
}
