import { onAbort } from "../../../core/wait.ts";
import { createSocket, type Socket } from "node:dgram";
import type { Clock } from "../../../core/clock.ts";
import { formatAddress } from "../../../net/address.ts";
import { formatIp, type Ip, parseIp } from "../../../net/ip.ts";
import type { DnsResponse } from "./message.ts";
import type { DnsQuery } from "./query.ts";
import type { DnsTransportOptions } from "./tcp.ts";
import { DnsError } from "../errors.ts";

/** Datagrams may get lost: the query is sent again after this time. */
const RESEND_MS = 1_000;

/**
 * Asks over UDP, for servers that can't be reached over TCP. Messages from other addresses, or with other questions, are
 * ignored. Needs the permission to bind any port, as `--allow-net=0.0.0.0:0` (`[::]:0` for IPv6).
 */
export async function askOverUdp(
  query: DnsQuery,
  options: DnsTransportOptions & { clock: Clock },
): Promise<DnsResponse> {
  const { server, signal, clock } = options;
  const ip = server.kind === "tcp" ? parseIp(server.host) : undefined;
  if (server.kind !== "tcp" || ip === undefined) throw unreachable("only addresses can be asked");
  const local = ip.family === 4 ? "0.0.0.0:0" : "[::]:0";
  // Without the permission the runtime throws where it can't be caught, or prompts at a terminal.
  const missing = [local, formatAddress(server)].filter((host) =>
    Deno.permissions.querySync({ name: "net", host }).state !== "granted"
  );
  if (missing.length > 0) throw unreachable(`not permitted, add --allow-net=${missing.join(",")}`);
  signal.throwIfAborted();
  const socket = createSocket(ip.family === 4 ? "udp4" : "udp6");
  const send = () => {
    socket.send(query.bytes, server.port, server.host);
    cancel = clock.after(RESEND_MS, send);
  };
  let cancel = () => {};
  try {
    const answer = nextAnswer(socket, { query, ip, port: server.port, signal });
    send();
    return await answer;
  } finally {
    cancel();
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

async function nextAnswer(
  socket: Socket,
  { query, ip, port, signal }: { query: DnsQuery; ip: Ip; port: number; signal: AbortSignal },
): Promise<DnsResponse> {
  const host = formatIp(ip);
  const { promise, resolve, reject } = Promise.withResolvers<DnsResponse>();
  using _abort = onAbort(signal, () => reject(signal.reason));
  socket.on("error", reject);
  socket.on("message", (message, from) => {
    if (from.port !== port || from.address !== host) return;
    try {
      const response = query.read(message);
      if (response.truncated) reject(new DnsError("dns_truncated", "the answer is too large for a datagram"));
      else resolve(response);
    } catch {
      // It may be spoofed: the answer may still come.
    }
  });
  return await promise;
}

function unreachable(reason: string): DnsError {
  return new DnsError("dns_unreachable", reason);
}
