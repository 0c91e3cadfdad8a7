import { assertEquals } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { PrefixedConnection } from "../../src/net/prefixed_connection.ts";
import { acceptTls } from "../../src/tls/accept.ts";
import { testWith } from "../support/installed.ts";
import { PythonPeer } from "./python_peer.ts";
import { pki, readPiece, serverContext } from "./tls_fixture.ts";

const HEADER = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";

/** How bytes get to the handshake that have been read before it. */
const WAYS = {
  "as what is ahead": (connection: Connection, rest: Uint8Array) => ({ connection, ahead: rest }),
  "as a prefix": (connection: Connection, rest: Uint8Array) => ({
    connection: new PrefixedConnection(connection, rest),
    ahead: undefined,
  }),
};

for (const version of ["1.2", "1.3"] as const) {
  for (const [way, wrap] of Object.entries(WAYS)) {
    testWith(["python3"], `TLS ${version}: a hello in the segment of a header, ${way}`, async () => {
      await accepts(version, async ({ listener, peer }) => {
        // The header and the hello leave together.
        await peer.do("p = Peer()");
        await peer.do(`p.o.write(b"${HEADER.replace("\r\n", "\\r\\n")}")`);
        const shaken = await peer.begin("p.handshake()");
        const connection = await listener.accept();
        const buffer = new Uint8Array(4096);
        const count = (await connection.read(buffer))!;
        assertEquals(new TextDecoder().decode(buffer.subarray(0, HEADER.length)), HEADER);
        const rest = buffer.slice(HEADER.length, count);
        assertEquals(rest.length > 0, true);
        return { ...wrap(connection, rest), shaken };
      });
    });
  }

  testWith(["python3"], `TLS ${version}: a handshake in pieces of one byte`, async () => {
    await accepts(version, async ({ listener, peer }) => {
      await peer.do("p = Peer()");
      await peer.do("p.__setattr__('piece', 1)");
      const shaken = await peer.begin("p.handshake()");
      return { connection: await listener.accept(), ahead: undefined, shaken };
    });
  });
}

interface Begun {
  readonly connection: Connection;
  readonly ahead: Uint8Array | undefined;
  readonly shaken: { readonly done: Promise<unknown> };
}

/** Has a client of Python's begin in some way, and sees that it comes in and is understood. */
async function accepts(
  version: "1.2" | "1.3",
  begin: (ends: { listener: Deno.TcpListener; peer: PythonPeer }) => Promise<Begun>,
): Promise<void> {
  const material = await pki();
  const context = serverContext(material);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await using peer = new PythonPeer({
    role: "client",
    port,
    ca: material.ca.certPem,
    own: material.client,
    version,
  });
  const { connection, ahead, shaken } = await begin({ listener, peer });
  const { signal } = new AbortController();
  const session = await acceptTls(connection, { context, signal, buffers: new BufferPool(), ahead });
  assertEquals(await shaken.done, null);
  await peer.do('p.tls.write(b"hi") and p.flush()');
  let text = "";
  while (text.length < 2) text += await readPiece(session.connection);
  assertEquals(text, "hi");
  session.connection.close();
}
