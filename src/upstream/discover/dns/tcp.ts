import { onAbort } from "../../../core/wait.ts";
import type { Address } from "../../../net/address.ts";
import { closeQuietly, type Connection, writeAll } from "../../../net/connection.ts";
import type { Dial } from "../../../net/dial.ts";
import type { DnsResponse } from "./message.ts";
import type { DnsQuery } from "./query.ts";
import { DnsError } from "../errors.ts";

/** How a query is sent. */
export interface DnsTransportOptions {
  /** The server. */
  readonly server: Address;
  /** Aborts. */
  readonly signal: AbortSignal;
}

/** Asks over TCP on a new connection (RFC 7766): answers are not truncated and can't be spoofed as easily as over UDP. */
export async function askOverTcp(
  query: DnsQuery,
  options: DnsTransportOptions & { dial: Dial },
): Promise<DnsResponse> {
  const { server, signal, dial } = options;
  const connection = await dial(server, signal);
  using _abort = onAbort(signal, () => closeQuietly(connection));
  try {
    signal.throwIfAborted();
    const { bytes } = query;
    const framed = new Uint8Array(2 + bytes.length); // Behind its length.
    framed.set([bytes.length >> 8, bytes.length & 0xff]);
    framed.set(bytes, 2);
    await writeAll(connection, framed);
    const length = await readExactly(connection, 2);
    return query.read(await readExactly(connection, length[0]! * 256 + length[1]!));
  } finally {
    closeQuietly(connection);
  }
}

async function readExactly(connection: Connection, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let got = 0; got < length;) {
    const count = await connection.read(bytes.subarray(got));
    if (count === null) throw new DnsError("dns_unreachable", "the server closed the connection");
    got += count;
  }
  return bytes;
}
