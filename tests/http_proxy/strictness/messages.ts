/** A message as text, one character for each byte. */
export interface TextMessage {
  readonly line: string;
  /** Lines, names in lower case. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Whether its end has come. */
  readonly complete: boolean;
  /** Where the next message begins. */
  readonly end: number;
}

/** How the length of a body is told where no field tells it. */
export type DefaultBody = "none" | "until-close";

/**
 * Reads the message at `at`. It expects what a strict sender would send, and throws for anything else.
 * `undefined`: its head is not complete.
 */
export function readMessage(
  text: string,
  { at, body }: { at: number; body: DefaultBody | "never" },
): TextMessage | undefined {
  const headEnd = text.indexOf("\r\n\r\n", at);
  if (headEnd === -1) return undefined;
  const [line = "", ...lines] = text.slice(at, headEnd).split("\r\n");
  if (/[\r\n]/.test(lines.join(""))) throw new Error(`A bare line end in ${JSON.stringify(lines)}`);
  const fields = lines.map(lowerName);
  const start = headEnd + 4;
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (lengths.length > 1 || codings.length > 1) throw new Error(`Two lengths in ${JSON.stringify(fields)}`);
  const message = { line, fields, trailers: [] };
  if (body === "never") return { ...message, body: "", complete: true, end: start };
  if (lengths.length + codings.length > 1) throw new Error(`Two framings in ${JSON.stringify(fields)}`);
  if (codings.length === 1) return { ...message, ...readChunks(text, start) };
  if (lengths.length === 1) {
    const end = start + Number(lengths[0]);
    return { ...message, body: text.slice(start, end), complete: text.length >= end, end };
  }
  if (body === "none") return { ...message, body: "", complete: true, end: start };
  return { ...message, body: text.slice(start), complete: true, end: text.length };
}

function readChunks(text: string, start: number): Omit<TextMessage, "line" | "fields"> {
  let body = "";
  for (let at = start;;) {
    const lineEnd = text.indexOf("\r\n", at);
    const cut = { body, trailers: [], complete: false, end: text.length };
    if (lineEnd === -1) return cut;
    const line = text.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]{1,13}(?:;[^\r\n]*)?$/.test(line)) throw new Error(`No chunk: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) {
      if (text.startsWith("\r\n", at)) return { body, trailers: [], complete: true, end: at + 2 };
      const end = text.indexOf("\r\n\r\n", at);
      if (end === -1) return cut;
      return {
        body,
        trailers: text.slice(at, end).split("\r\n").map(lowerName),
        complete: true,
        end: end + 4,
      };
    }
    body += text.slice(at, at + size);
    at += size;
    if (text.length < at + 2) return { ...cut, body };
    if (!text.startsWith("\r\n", at)) throw new Error("A chunk without its end");
    at += 2;
  }
}

function lowerName(line: string): string {
  const colon = line.indexOf(":");
  if (colon < 1) throw new Error(`No field: ${JSON.stringify(line)}`);
  return `${line.slice(0, colon).toLowerCase()}: ${line.slice(colon + 1).replace(/^[ \t]+/, "")}`;
}

/** The values of all fields of a name in lower case. */
export function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
}

/** All answers in what a client has received. `methods` are those of its requests. */
export function readAnswers(text: string, methods: readonly string[]): (TextMessage & { status: number })[] {
  const answers: (TextMessage & { status: number })[] = [];
  for (let at = 0, request = 0; at < text.length;) {
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text.slice(at, at + 13))?.[1]);
    if (!(status >= 100)) throw new Error(`No answer: ${JSON.stringify(text.slice(at, at + 200))}`);
    const isBare = status < 200 || status === 204 || status === 304 || methods[request] === "HEAD";
    const message = readMessage(text, { at, body: isBare ? "never" : "until-close" });
    if (message === undefined) throw new Error(`Half a head: ${JSON.stringify(text.slice(at))}`);
    answers.push({ ...message, status });
    if (status >= 200) request++;
    at = message.end;
    if (status === 101) break;
  }
  return answers;
}
