import { badPrelude, type PreludeStream } from "./prelude_stream.ts";

/** Commands that a client may send before TLS. */
const MAX_COMMANDS = 20;
const TLS_HANDSHAKE = 0x16;
/** The longest command, in bytes, its CRLF included (RFC 5321, section 4.5.3.1.4, and RFC 2449, section 4). */
const MAX_COMMAND_BYTES = 512;

/** The longest line of a server, in bytes: IMAP's list of capabilities is one. */
export const MAX_ANSWER_BYTES = 4096;

/**
 * Reads the commands of a client one after the other, until `answer` says that TLS begins.
 *
 * @throws {TlsHandshakeError} `bad-starttls` for too many, and what reading throws.
 */
export async function readCommands(
  stream: PreludeStream,
  answer: (line: string) => Promise<"go on" | "tls">,
): Promise<void> {
  for (let count = 0; count < MAX_COMMANDS; count++) {
    const [first] = await stream.peek(1);
    if (first === TLS_HANDSHAKE) throw badPrelude("it began with TLS, without asking for it");
    if (await answer(await stream.line(MAX_COMMAND_BYTES)) === "tls") return;
  }
  throw badPrelude(`more than ${MAX_COMMANDS} commands before TLS`);
}

/** The first word of a line in capital letters, and what follows it. */
export function splitWord(line: string): [word: string, rest: string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line.toUpperCase(), ""] : [line.slice(0, at).toUpperCase(), line.slice(at + 1)];
}

/** A line to be sent or passed on. */
export function toBytes(line: string): Uint8Array {
  return Uint8Array.from(line, (char) => char.charCodeAt(0));
}
