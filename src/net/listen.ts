import { CulvertError, describeError } from "../core/errors.ts";
import { type Address, formatAddress } from "./address.ts";
import { bindOwnSocket, type ListenAddress, setAccess, type SocketAccess } from "./socket_access.ts";

/** A bound address: what it accepts are `Deno.TcpConn` or `Deno.UnixConn`. */
export interface BoundListener {
  /** Where it really listens: with the port that was picked, for port 0. */
  readonly address: Address;
  /** Resolves to the next connection, which the caller closes. Rejects once closed. */
  accept(): Promise<Deno.Conn>;
  /** Stops listening. A unix socket's file is removed. */
  close(): void;
}

/** As many as the system allows: a burst of new connections waits in the kernel rather than being refused. */
const BACKLOG = 4096;

/** Options of {@linkcode listen}. */
export interface ListenOptions {
  /** The runtime speaks TLS with this certificate: what is accepted are `Deno.TlsConn`. TCP only. */
  readonly tls?: RuntimeTls | undefined;
  /**
   * Others of this user may listen on the same address, and each gets some of the connections. With `claim` none may do
   * so yet: a first bind without sharing fails if one does. TCP only.
   *
   * @default {false}
   */
  readonly share?: boolean | "claim";
  /** What the listener is for, as errors name it: `service web`. @default none */
  readonly who?: string;
}

/** What the runtime's own TLS can be told: it can neither ask for certificates nor be held to a version. */
export interface RuntimeTls {
  /** The chain, in PEM. */
  readonly cert: string;
  /** The private key, in PEM. */
  readonly key: string;
  /** The protocols that we speak, the preferred one first. */
  readonly alpn: readonly string[];
  /** Where the chain was read, for errors. */
  readonly certPath?: string;
}

/**
 * Whether addresses can be shared: the runtime ends the program where that is not enabled (`unstable: ["net"]`), and
 * this other thing, which is enabled with it, tells.
 */
export const canShareAddresses: boolean = "listenDatagram" in Deno;

/**
 * Listens on `address`. A unix socket is its owner's alone (mode 0600) unless its `access` says otherwise, and
 * no other user can connect before it has its group and mode. One that a dead process has left behind is replaced, one
 * that is alive is not.
 *
 * @throws {CulvertError} `listen_failed`, with what the runtime said as its cause.
 */
export async function listen(address: ListenAddress, options: ListenOptions = {}): Promise<BoundListener> {
  try {
    return address.kind === "tcp" ? listenTcp(address, options) : await listenUnix(address);
  } catch (error) {
    throw failure(error, { address, options });
  }
}

/**
 * As {@linkcode listen}, at once, for TCP.
 *
 * @throws {CulvertError} `listen_failed`, with what the runtime said as its cause.
 */
export function listenNow(address: Address & { kind: "tcp" }, options: ListenOptions = {}): BoundListener {
  try {
    return listenTcp(address, options);
  } catch (error) {
    throw failure(error, { address, options });
  }
}

function failure(
  error: unknown,
  { address, options: { who, tls } }: { address: Address; options: ListenOptions },
): CulvertError {
  const where = [who, tls?.certPath].filter((each) => each !== undefined).join(", ");
  const message = `Cannot listen on "${formatAddress(address)}": ${explain(error)}`;
  return new CulvertError("listen_failed", where === "" ? message : `${message} (${where})`, {
    cause: error,
  });
}

function explain(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) return "the address is in use";
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return `${describeError(error)}: this machine does not have it`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${
      describeError(error)
    }: ports below 1024 need root or CAP_NET_BIND_SERVICE, and a unix socket a folder that may be written`;
  }
  return describeError(error);
}

function listenTcp(
  { host, port }: Address & { kind: "tcp" },
  { tls, share = false }: ListenOptions,
): BoundListener {
  const bind = (hostname: string) => {
    const where = { hostname, port, tcpBacklog: BACKLOG, ...(share === false ? {} : { reusePort: true }) };
    if (share === "claim" && port !== 0) Deno.listen({ hostname, port }).close();
    const listener = tls === undefined
      ? Deno.listen(where)
      : Deno.listenTls({ ...where, cert: tls.cert, key: tls.key, alpnProtocols: [...tls.alpn] });
    const address: Address = { kind: "tcp", host, port: listener.addr.port };
    return { address, accept: () => listener.accept(), close: () => listener.close() };
  };
  if (host !== "") return bind(host);
  try {
    return bind("::"); // Both families, where the machine has IPv6.
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.NotCapable) throw error;
    return bind("0.0.0.0");
  }
}

async function listenUnix(
  { path, access }: { path: string; access?: SocketAccess },
): Promise<BoundListener> {
  await removeStale(path);
  const listener = bindOwnSocket(path);
  try {
    await setAccess(path, access);
  } catch (error) {
    listener.close();
    throw error;
  }
  return {
    address: { kind: "unix", path },
    accept: () => listener.accept(),
    close: () => listener.close(), // The runtime removes the file.
  };
}

/** Removes the socket at `path` if no process listens there. */
async function removeStale(path: string): Promise<void> {
  try {
    const info = await Deno.lstat(path);
    if (!info.isSocket) throw new Deno.errors.AlreadyExists(`"${path}" exists and is not a socket`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    await Deno.remove(path);
    return;
  }
  throw new Deno.errors.AddrInUse(`"${path}" is in use`);
}
