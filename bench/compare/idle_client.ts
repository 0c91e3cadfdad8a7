/**
 * Opens tunnels and leaves them idle: `deno run --allow-net=127.0.0.1 idle_client.ts PORT COUNT`.
 *
 * Each tunnel carries a few bytes there and back once; then `open COUNT` is written. Ends when its standard
 * input does, or with an error when a tunnel is closed by the other side, since then nothing is measured.
 */
const AT_A_TIME = 32;

async function openAll(port: number, count: number): Promise<Deno.TcpConn[]> {
  const tunnels: Deno.TcpConn[] = [];
  let started = 0;
  const opener = async () => {
    while (started++ < count) tunnels.push(await open(port));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, opener));
  return tunnels;
}

async function open(port: number): Promise<Deno.TcpConn> {
  const tunnel = await Deno.connect({ hostname: "127.0.0.1", port });
  await tunnel.write(new TextEncoder().encode("hello\n"));
  const buffer = new Uint8Array(64);
  for (let received = 0; received < 6;) {
    const count = await tunnel.read(buffer);
    if (count === null) throw new Error("a tunnel was closed before its bytes came back");
    received += count;
  }
  return tunnel;
}

async function failWhenClosed(tunnel: Deno.TcpConn): Promise<void> {
  await tunnel.read(new Uint8Array(1)).catch(() => null);
  throw new Error("an idle tunnel was closed");
}

if (import.meta.main) {
  const tunnels = await openAll(Number(Deno.args[0]), Number(Deno.args[1]));
  for (const tunnel of tunnels) failWhenClosed(tunnel);
  console.log(`open ${tunnels.length}`);
  await Deno.stdin.readable.pipeTo(new WritableStream());
  Deno.exit(0);
}
