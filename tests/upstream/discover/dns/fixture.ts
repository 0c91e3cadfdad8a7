import type { Address } from "../../../../src/net/address.ts";
import { parseIpv6 } from "../../../../src/net/ip.ts";
import { readName, writeName } from "../../../../src/upstream/discover/dns/name.ts";

const TYPES: Record<string, number> = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, SRV: 33 };

/** What a fake server says. Records are written as in a zone: `db.internal 60 A 10.0.0.1`. */
export interface Reply {
  readonly answers?: readonly string[];
  readonly authority?: readonly string[];
  readonly additional?: readonly string[];
  readonly rcode?: number;
  /** @default a final answer of a recursive server */
  readonly flags?: number;
  /** Added to the id of the question. */
  readonly idOff?: number;
  /** In the place of the real one. */
  readonly question?: { name: string; type: string };
  /** In the places of the real ones: questions, answers, authority, additional. */
  readonly counts?: readonly number[];
}

/** A response as bytes, to the query whose bytes are given. */
export function buildResponse(query: Uint8Array, reply: Reply): Uint8Array<ArrayBuffer> {
  const { answers = [], authority = [], additional = [], rcode = 0, flags = 0x8180, idOff = 0 } = reply;
  const { name, type } = reply.question ?? readQuestion(query);
  const id = ((query[0]! << 8 | query[1]!) + idOff) & 0xffff;
  const counts = reply.counts ?? [1, answers.length, authority.length, additional.length];
  return Uint8Array.from([
    ...[id, flags | rcode, ...counts].flatMap(word),
    ...writeName(name),
    ...word(TYPES[type]!),
    ...word(1),
    ...[...answers, ...authority, ...additional].flatMap(recordBytes),
  ]);
}

/** What a query asks for. */
export function readQuestion(query: Uint8Array): { name: string; type: string } {
  const { name, end } = readName(query, 12);
  const number = query[end]! * 256 + query[end + 1]!;
  return { name, type: Object.entries(TYPES).find(([, value]) => value === number)?.[0] ?? String(number) };
}

function recordBytes(line: string): number[] {
  const [name, ttl, type, ...data] = line.split(" ");
  const bytes = dataBytes(type!, data);
  const ttlWords = [...word(Math.floor(Number(ttl) / 65_536)), ...word(Number(ttl) % 65_536)];
  return [
    ...nameBytes(name!),
    ...word(TYPES[type!]!),
    ...word(1),
    ...ttlWords,
    ...word(bytes.length),
    ...bytes,
  ];
}

function dataBytes(type: string, data: readonly string[]): number[] {
  if (type === "A") return data[0]!.split(".").map(Number);
  if (type === "AAAA") {
    return parseIpv6(data[0]!)!.flatMap((bits) => [...word(bits >>> 16), ...word(bits & 0xffff)]);
  }
  if (type === "SRV") {
    return [...data.slice(0, 3).flatMap((number) => word(Number(number))), ...nameBytes(data[3]!)];
  }
  if (type === "SOA") return [0, 0, ...Array(16).fill(0), ...word(0), ...word(Number(data[0]!))];
  if (type === "TXT") return [data[0]!.length, ...new TextEncoder().encode(data[0]!)];
  return nameBytes(data[0]!);
}

function nameBytes(name: string): number[] {
  return name === "." ? [0] : [...writeName(name)];
}

function word(value: number): number[] {
  return [value >> 8 & 0xff, value & 0xff];
}

/** What happens to a question: a reply, bytes as they stand, nothing at all, or the connection is closed. */
export type Reaction = Reply | Uint8Array<ArrayBuffer> | "silence" | "close";

/** A DNS server of 127.0.0.1 that says what a test wants it to say. Over UDP only where that is asked for. */
export class FakeDnsServer implements AsyncDisposable {
  readonly address: Address & { kind: "tcp" };
  /** What was asked, such as `tcp db.internal A`. */
  readonly asked: string[] = [];
  readonly #react: (question: { name: string; type: string; over: string }, query: Uint8Array) => Reaction;
  readonly #listener: Deno.TcpListener | undefined;
  readonly #datagrams: Deno.DatagramConn | undefined;
  readonly #connections = new Set<Deno.Conn>();
  readonly #done: Promise<unknown>;

  constructor(
    react: (question: { name: string; type: string; over: string }, query: Uint8Array) => Reaction,
    options: { tcp?: boolean; udp?: boolean } = {},
  ) {
    const { tcp = true, udp = false } = options;
    this.#react = react;
    this.#listener = tcp ? Deno.listen({ hostname: "127.0.0.1", port: 0 }) : undefined;
    const port = this.#listener?.addr.port ?? 0;
    this.#datagrams = udp
      ? Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port })
      : undefined;
    const bound = this.#listener?.addr.port ?? (this.#datagrams!.addr as Deno.NetAddr).port;
    this.address = { kind: "tcp", host: "127.0.0.1", port: bound };
    this.#done = Promise.all([this.#serveTcp(), this.#serveUdp()]);
  }

  #reaction(query: Uint8Array, over: string): Uint8Array<ArrayBuffer> | "silence" | "close" {
    const question = readQuestion(query);
    this.asked.push(`${over} ${question.name} ${question.type}`);
    const reaction = this.#react({ ...question, over }, query);
    if (typeof reaction === "string" || reaction instanceof Uint8Array) return reaction;
    return buildResponse(query, reaction);
  }

  async #serveTcp(): Promise<void> {
    const serving: Promise<void>[] = [];
    for await (const connection of this.#listener ?? []) {
      this.#connections.add(connection);
      serving.push(this.#serveConnection(connection).catch(() => {}));
    }
    await Promise.all(serving);
  }

  async #serveConnection(connection: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(1024);
    let held = 0;
    for (;;) {
      const count = await connection.read(buffer.subarray(held));
      if (count === null) break;
      held += count;
      if (held < 2 || held < 2 + buffer[0]! * 256 + buffer[1]!) continue;
      const reaction = this.#reaction(buffer.slice(2, held), "tcp");
      held = 0;
      if (reaction === "close") break;
      if (reaction === "silence") continue;
      const framed = Uint8Array.from([...word(reaction.length), ...reaction]);
      // In two parts, so that who reads only once fails.
      await connection.write(framed.subarray(0, 1));
      for (let sent = 1; sent < framed.length;) sent += await connection.write(framed.subarray(sent));
    }
    this.#connections.delete(connection);
    connection.close();
  }

  async #serveUdp(): Promise<void> {
    for await (const [query, from] of this.#datagrams ?? []) {
      const reaction = this.#reaction(query, "udp");
      if (typeof reaction !== "string") await this.#datagrams!.send(reaction, from);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener?.close();
    this.#datagrams?.close();
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // It has ended.
      }
    }
    await this.#done;
  }
}
