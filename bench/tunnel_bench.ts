// The tunnel by itself: real sockets on loopback, everything in one process. `deno bench -A bench/tunnel_bench.ts`
import { BufferPool, TimerWheel, Tunnel } from "../src/mod.ts";

const MIB = 1024 * 1024;

/** A tunnel between two sockets, and the two sockets at its ends. */
async function openTunnel() {
  const front = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const back = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const caller = await Deno.connect({ port: front.addr.port });
  const client = await front.accept();
  const backend = await Deno.connect({ port: back.addr.port });
  const server = await back.accept();
  for (const socket of [caller, client, backend, server]) socket.setNoDelay(true);
  front.close();
  back.close();
  const tunnel = new Tunnel(client, backend, {
    wheel: new TimerWheel(),
    buffers: new BufferPool(),
    idleMs: 90_000,
    halfCloseMs: 60_000,
  });
  return { caller, server, ended: tunnel.run() };
}

async function readExactly(socket: Deno.Conn, options: { count: number; buffer: Uint8Array }): Promise<void> {
  for (let left = options.count; left > 0;) {
    const got = await socket.read(options.buffer);
    if (got === null) throw new Error("the tunnel has ended early");
    left -= got;
  }
}

async function writeAll(socket: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await socket.write(bytes.subarray(sent));
}

for (const size of [64, 4096, 65_536]) {
  const { caller, server } = await openTunnel();
  const message = new Uint8Array(size);
  const buffer = new Uint8Array(size);
  Deno.bench(`a round trip of ${size} bytes`, { group: "round trip" }, async () => {
    const echoed = readExactly(server, { count: size, buffer }).then(() => writeAll(server, message));
    await writeAll(caller, message);
    await echoed;
    await readExactly(caller, { count: size, buffer });
  });
}

{
  const { caller, server } = await openTunnel();
  const data = new Uint8Array(64 * MIB);
  const buffer = new Uint8Array(MIB);
  Deno.bench("64 MiB in one direction", { group: "bulk" }, async () => {
    const received = readExactly(server, { count: data.length, buffer });
    await writeAll(caller, data);
    await received;
  });
}

Deno.bench("opening, one byte each way, closing", { group: "connection" }, async () => {
  const { caller, server, ended } = await openTunnel();
  const byte = new Uint8Array(1);
  await caller.write(byte);
  await server.read(byte);
  await server.write(byte);
  await caller.read(byte);
  caller.close();
  await server.read(byte);
  server.close();
  await ended;
});
