import { assertEquals, assertRejects } from "@std/assert";
import type { Connection } from "../../../src/net/connection.ts";
import { TlsHandshakeError } from "../../../src/tls/session/handshake_errors.ts";
import { joinMysql, MysqlServerError, readMysqlGreeting } from "../../../src/tls/starttls/mysql_login.ts";
import { MysqlSequence } from "../../../src/tls/starttls/mysql_sequence.ts";
import { type MemoryConnection, memoryPair } from "../../support/memory_connection.ts";
import { within } from "../../support/wait.ts";
import { bytes, inBytes, latin1, requested } from "./starttls_fixture.ts";

/** A packet. */
function packet(sequence: number, text: string): string {
  return String.fromCharCode(text.length & 0xff, text.length >> 8, 0, sequence) + text;
}

/** The server's flags, the lower half: with TLS and without. */
const [TLS, PLAIN] = ["\xff\xff", "\xff\xf7"];
const greetingWith = (flags: string) =>
  packet(
    0,
    `\x0a8.0\0\x01\0\0\0saltsalt\0${flags}\x2d\x02\0\xff\xff\x15${"\0".repeat(10)}saltsaltsalt\0plugin\0`,
  );
/** A client's answer: with TLS it is cut short and repeated behind the handshake. */
const answer = (flags: string) => `${flags}\x08\0\0\0\0\x01\x2d${"\0".repeat(23)}`;
const REQUEST = packet(1, answer("\0\x8a"));
const login = (sequence: number, flags: string) => packet(sequence, `${answer(flags)}u\0\0`);

/** How reading the greeting of a server ends that sends this. */
async function greeted(sent: string, tls = true): Promise<string> {
  const [ours, theirs] = memoryPair();
  await theirs.send(bytes(sent));
  await theirs.closeWrite();
  try {
    return latin1(await readMysqlGreeting(ours, { tls }));
  } catch (error) {
    if (!(error instanceof TlsHandshakeError)) throw error;
    return error.reason;
  }
}

Deno.test("the greeting of a MySQL server is read within bounds, and nothing may follow it", async () => {
  assertEquals(await greeted(greetingWith(TLS)), greetingWith(TLS));
  assertEquals(await greeted(greetingWith(PLAIN), false), greetingWith(PLAIN));
  assertEquals(await greeted(greetingWith(PLAIN)), "starttls-refused");
  assertEquals(await greeted(packet(0, "\xff\x69\x04Host is blocked")), "starttls-refused");
  assertEquals(await greeted(`${greetingWith(TLS)}x`), "plaintext-injection");
  assertEquals(await greeted(packet(1, "\x0a8.0\0")), "bad-starttls");
  assertEquals(await greeted(packet(0, "\x098.0\0")), "bad-starttls");
  assertEquals(await greeted(packet(0, "\x0a8.0\0\x01")), "bad-starttls");
  assertEquals(await greeted(packet(0, `\x0a${"8".repeat(500)}`)), "bad-starttls");
  assertEquals(await greeted("\xff\xff\xff\0"), "bad-starttls");
  assertEquals(await greeted("220 mx\r\n"), "bad-starttls");
  assertEquals(await greeted(""), "aborted");
});

Deno.test("a check asks a MySQL server for TLS with a request of its own", async () => {
  const asked = packet(1, `\0\x8a\x08\0\0\0\0\x01\x2d${"\0".repeat(23)}`);
  for (const pieces of [[greetingWith(TLS)], inBytes([greetingWith(TLS)])]) {
    assertEquals(await requested("mysql", pieces), { end: "tls", said: asked, rest: greetingWith(TLS) });
  }
  assertEquals((await requested("mysql", [greetingWith(PLAIN)])).end, "starttls-refused");
});

interface Joined {
  readonly end: string;
  /** What the client was told in clear, and the server. */
  readonly toClient: string;
  readonly toServer: string;
}

/** Joins a client that sends this in clear and by TLS, which is no TLS here but a second connection. */
async function join(
  { client: asks, server: asked, said }: {
    client: boolean;
    server: boolean;
    said: readonly [clear: string, tls: string];
  },
): Promise<Joined> {
  const [client, clientPeer] = memoryPair();
  const [tlsClient, tlsClientPeer] = memoryPair();
  const [server, serverPeer] = memoryPair();
  const [tlsServer, tlsServerPeer] = memoryPair();
  const all = [client, tlsClient, server, tlsServer];
  for (const [peer, text] of [[clientPeer, said[0]], [tlsClientPeer, said[1]]] as const) {
    await peer.send(bytes(text));
    await peer.closeWrite();
  }
  let end = "joined";
  try {
    await joinMysql({
      ...{ client, server, greeting: Uint8Array.from(bytes(greetingWith(asked ? TLS : PLAIN))) },
      secureClient: asks ? (below) => begin(below, tlsClient) : undefined,
      secureServer: asked ? () => Promise.resolve(tlsServer) : undefined,
    });
  } catch (error) {
    if (!(error instanceof TlsHandshakeError)) throw error;
    end = error.reason;
  }
  for (const each of all) if (!each.closed) each.close();
  const heard = (peers: readonly MemoryConnection[]) =>
    Promise.all(peers.map(readAll)).then((texts) => texts.join("|"));
  return { end, toClient: await heard([clientPeer]), toServer: await heard([serverPeer, tlsServerPeer]) };
}

/** What came behind the request for TLS is read as TLS, and as nothing else. */
async function begin(below: Connection, secured: Connection): Promise<Connection> {
  if (await readAll(below) !== "") throw new TlsHandshakeError("not-tls");
  return secured;
}

async function readAll(connection: Connection): Promise<string> {
  const buffer = new Uint8Array(4096);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return text;
    text += latin1(buffer.subarray(0, count));
  }
}

Deno.test("each side of a MySQL login has TLS offered, asked for and begun as it should be", async () => {
  // TLS on both sides: the client's request is passed on as it is, and everything behind it too.
  const both = await join({ client: true, server: true, said: [REQUEST, ""] });
  assertEquals(both, { end: "joined", toClient: greetingWith(TLS), toServer: `${REQUEST}|` });
  // The client's alone: it is offered TLS, of which the server hears nothing.
  const client = await join({ client: true, server: false, said: [REQUEST, login(2, "\0\x8a")] });
  assertEquals(client, { end: "joined", toClient: greetingWith(TLS), toServer: `${login(1, "\0\x82")}|` });
  // The server's alone: it is offered none, and TLS is asked for in its name.
  const server = await join({ client: false, server: true, said: [login(1, "\0\x82"), ""] });
  assertEquals(server, {
    end: "joined",
    toClient: greetingWith(PLAIN),
    toServer: `${REQUEST}|${login(2, "\0\x8a")}`,
  });
});

Deno.test("a server of MySQL gets no byte of a client that does not begin TLS as it should", async () => {
  const told = `${greetingWith(TLS)}${packet(2, "\xff\x57\x0c#08004TLS is required: use --ssl")}`;
  const cases: readonly [said: string, end: string, told?: string][] = [
    [login(1, "\0\x82"), "no-starttls", told],
    [login(1, "\0\x8a"), "bad-starttls"],
    [packet(2, answer("\0\x8a")), "bad-starttls"],
    [packet(1, answer("\0\x88")), "bad-starttls"],
    [packet(1, "short"), "bad-starttls"],
    ["\xff\xff\xff\x01", "bad-starttls"],
    ["\x16\x03\x01\x02\0\x01", "bad-starttls"],
    ["", "aborted"],
  ];
  for (const [said, end, toClient = greetingWith(TLS)] of cases) {
    const outcome = await join({ client: true, server: true, said: [said, ""] });
    assertEquals(outcome, { end, toClient, toServer: "|" }, JSON.stringify(said));
  }
  // Nor does it hear of one that asks for TLS where that ends before us.
  const outcome = await join({ client: false, server: true, said: [REQUEST, ""] });
  assertEquals([outcome.end, outcome.toServer], ["bad-starttls", "|"]);
});

Deno.test("what a client of MySQL sends after its request for TLS is read as TLS only", async () => {
  for (const more of ["x", login(2, "\0\x8a"), "\x16\x03\x01"]) {
    const outcome = await join({ client: true, server: true, said: [REQUEST + more, ""] });
    assertEquals(outcome, { end: "not-tls", toClient: greetingWith(TLS), toServer: "|" });
  }
});

Deno.test("what fails with the server of MySQL is told apart from what fails with the client", async () => {
  const [client, clientPeer] = memoryPair();
  const [server, serverPeer] = memoryPair();
  await clientPeer.send(bytes(REQUEST));
  serverPeer.reset();
  const greeting = Uint8Array.from(bytes(greetingWith(TLS)));
  const secureClient = () => Promise.resolve(client);
  await assertRejects(
    () =>
      joinMysql({
        client,
        server,
        greeting,
        secureClient,
        secureServer: () => Promise.reject(new Error("no")),
      }),
    MysqlServerError,
  );
});

Deno.test("sequence numbers of a MySQL login are shifted up to its end, however packets are cut", async () => {
  for (const shift of [1, -1] as const) {
    for (const size of [1, 3, 4, 5, 1000]) {
      const [ours, theirs] = memoryPair();
      const sequence = new MysqlSequence(ours, shift);
      const send = async (text: string) => {
        for (let at = 0; at < text.length; at += size) await theirs.send(bytes(text.slice(at, at + size)));
      };
      const receive = async (count: number, from: Connection) => {
        let text = "";
        while (text.length < count) {
          const buffer = new Uint8Array(Math.min(size, count - text.length));
          text += latin1(buffer.subarray(0, await from.read(buffer) ?? 0));
        }
        return text;
      };
      /** Both directions: what is sent, and what arrives. */
      const fromServer = [
        packet(5, "\xfeplugin\0\0\xff"),
        packet(6, "\x01\0"),
        packet(7, "\0\0\0"),
        packet(1, "\0row"),
      ];
      const toClient = [5, 6, 7].map((number, at) => packet(number + shift, fromServer[at]!.slice(4)));
      const clients = [packet(6, "answer"), packet(0, "\x03SELECT 1")];
      for (const text of fromServer.slice(0, 2)) await send(text);
      assertEquals(
        await receive(toClient.join("").length - toClient[2]!.length, sequence),
        toClient.slice(0, 2).join(""),
      );
      for (const text of clients) {
        for (let at = 0; at < text.length; at += size) await sequence.write(bytes(text.slice(at, at + size)));
      }
      const expected = packet(6 - shift, "answer") + clients[1];
      assertEquals(await receive(expected.length, theirs), expected);
      await send(fromServer[2]! + fromServer[3]!);
      const rest = toClient[2]! + fromServer[3]!; // Behind the end of the login, as they are.
      assertEquals(await within(receive(rest.length, sequence), { what: "the rest" }), rest);
      await sequence.write(bytes(packet(3, "later")));
      assertEquals(await receive(9, theirs), packet(3, "later"));
    }
  }
});
