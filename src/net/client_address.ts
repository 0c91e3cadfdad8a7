/** The address of a client, in the forms that admission, balancing and the log need. */
export interface ClientAddress {
  /** The IP address; an IPv4-mapped one as IPv4. `"unix"` for a unix socket, which no address set covers. */
  readonly ip: string;
  /** 0 for a unix socket. */
  readonly port: number;
}

const UNIX: ClientAddress = { ip: "unix", port: 0 };
const MAPPED = "::ffff:";

/** What the runtime says of a peer, as a {@linkcode ClientAddress}. Nothing said counts as a unix socket. */
export function clientAddress(addr: Deno.Addr | undefined): ClientAddress {
  if (addr === undefined) return UNIX;
  if (addr.transport !== "tcp" && addr.transport !== "udp") return UNIX;
  const { hostname, port } = addr;
  const mapped = hostname.startsWith(MAPPED) && hostname.includes(".");
  return { ip: mapped ? hostname.slice(MAPPED.length) : hostname, port };
}

/** `10.0.0.1:4711`, `[::1]:4711` or `unix`. */
export function formatClient(client: ClientAddress): string {
  if (client.port === 0) return client.ip;
  return client.ip.includes(":") ? `[${client.ip}]:${client.port}` : `${client.ip}:${client.port}`;
}
