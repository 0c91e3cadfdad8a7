// Run by a test beside it, with `gc` to call. Prints how many of 1,400 connections whose handshakes failed are still
// reachable afterwards: the engine and all that belongs to a handshake refer to the connection below it.
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { clientContext, connect, pki, serverContext, TlsServer } from "./tls_fixture.ts";

const ROUND = 150;
const UNTRUSTED = 50;
const HELLO = Uint8Array.fromHex("160301020001000001fc0303");
const GARBAGE = new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n");

let accepted = 0;
let collected = 0;
const registry = new FinalizationRegistry(() => collected++);
const material = await pki();
const untrusted = await (await createAuthority({ name: "Other CA" })).issueClient({ cn: "mallory" });
await using server = new TlsServer(serverContext(material), {
  onAccepted(connection) {
    accepted++;
    registry.register(connection, undefined);
  },
});

async function breakOff(words: Uint8Array): Promise<void> {
  const connection = await Deno.connect({ port: server.port });
  await connection.write(words);
  connection.close();
}

async function showUntrustedCertificate(): Promise<void> {
  const own = { cert: untrusted.chainPem, key: untrusted.keyPem };
  try {
    const { connection } = await connect(server.port, clientContext(material, own));
    using _closing = { [Symbol.dispose]: () => connection.close() };
    while (await connection.read(new Uint8Array(100)) !== null);
  } catch (error) {
    if (!(error instanceof TlsHandshakeError)) throw error;
  }
}

for (const words of [HELLO, GARBAGE, HELLO.subarray(0, 3)]) {
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < ROUND; i++) await breakOff(words);
    await ended(ROUND);
  }
}
for (let i = 0; i < UNTRUSTED; i++) await showUntrustedCertificate();
await ended(UNTRUSTED);

async function ended(count: number): Promise<void> {
  while (server.outcomes.length < count) await turn();
  server.outcomes.length = 0;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

// What the collector finds unreachable it tells in a later turn, and what that lets go of in the next collection.
for (let i = 0; i < 10; i++) {
  (globalThis as unknown as { gc(): void }).gc();
  await turn();
}
console.log(JSON.stringify({ accepted, reachable: accepted - collected }));
