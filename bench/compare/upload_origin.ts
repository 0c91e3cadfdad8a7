/**
 * Answers each HTTP request with the number of bytes of its body:
 * `deno run --allow-net=127.0.0.1 upload_origin.ts PORT`.
 *
 * Counts what it reads and keeps none of it. A body that is cut short gets no answer.
 */
import { ChunkCounter } from "./chunk_counter.ts";
import { serve } from "./serve.ts";

const BUFFER_BYTES = 256 * 1024;

async function answerAll(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let head; (head = await readHead(connection, buffer)) !== undefined;) {
    const count = await readBody(connection, { ...head, buffer });
    const body = `${count}\n`;
    const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    await connection.write(new TextEncoder().encode(answer));
  }
}

/** The fields of a request, and what was read of its body with them; `undefined` at the end of the connection. */
async function readHead(connection: Deno.Conn, buffer: Uint8Array) {
  for (let length = 0;;) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) return undefined;
    length += count;
    const text = new TextDecoder("latin1").decode(buffer.subarray(0, length));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return { fields: text.slice(0, end + 2), early: buffer.subarray(end + 4, length) };
  }
}

interface Message {
  readonly fields: string;
  readonly early: Uint8Array;
  readonly buffer: Uint8Array;
}

async function readBody(connection: Deno.Conn, { fields, early, buffer }: Message): Promise<number> {
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(fields)?.[1] ?? 0);
  const chunks = /\r\ntransfer-encoding: *chunked\r\n/i.test(fields) ? new ChunkCounter() : undefined;
  let received = early.length;
  chunks?.push(early);
  while (chunks === undefined ? received < length : !chunks.ended) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("a body was cut short");
    received += count;
    chunks?.push(buffer.subarray(0, count));
  }
  if (chunks === undefined && received > length) throw new Error("there are bytes behind a body");
  return chunks?.count ?? received;
}

if (import.meta.main) await serve(Number(Deno.args[0]), answerAll);
