import { abortConnection, type Connection } from "./connection.ts";
import { ReadTurns, type WaitingRead } from "./read_turns.ts";

/** The runtime's budget is one for the whole thread, and so are the turns. */
const sharedTurns = new ReadTurns();

/**
 * A socket of the runtime whose reads take turns with those of all others: see {@linkcode ReadTurns}. With few
 * connections each method is one call to the socket.
 */
export class FairConnection implements Connection, WaitingRead {
  readonly #socket: Connection;
  readonly #turns: ReadTurns;
  #buffer: Uint8Array | undefined;
  #resolve: ((count: Promise<number | null>) => void) | undefined;
  #open = true;

  /** Owns `socket`, which `close` closes. */
  constructor(socket: Connection, turns: ReadTurns = sharedTurns) {
    this.#socket = socket;
    this.#turns = turns;
    turns.join();
  }

  /** The other end, as the socket tells it. */
  get remoteAddr(): Deno.Addr | undefined {
    return (this.#socket as Partial<Deno.Conn>).remoteAddr;
  }

  /** This end, as the socket tells it. */
  get localAddr(): Deno.Addr | undefined {
    return (this.#socket as Partial<Deno.Conn>).localAddr;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#turns.admit(this)) return this.#socket.read(buffer);
    this.#buffer = buffer;
    return new Promise((resolve) => this.#resolve = resolve);
  }

  /** Begins the read that waits, if there is one. For {@linkcode ReadTurns}. */
  begin(): void {
    const buffer = this.#buffer;
    const resolve = this.#resolve;
    if (buffer === undefined || resolve === undefined) return;
    this.#buffer = this.#resolve = undefined;
    resolve(this.#socket.read(buffer));
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#socket.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#socket.closeWrite();
  }

  close(): void {
    this.#leave();
    this.#socket.close();
    this.begin(); // Rejects, as the socket is closed.
  }

  abort(): void {
    this.#leave();
    abortConnection(this.#socket);
    this.begin();
  }

  #leave(): void {
    if (this.#open) this.#turns.leave();
    this.#open = false;
  }
}

/**
 * Lets a socket's reads take turns with those of all others. Takes the socket over. A connection of the runtime's
 * TLS is given back as it is before its handshake, and so is anything that is no socket.
 */
export function takeTurns(connection: Connection): Connection {
  if (connection instanceof FairConnection) return connection;
  const socket = "remoteAddr" in connection && !("handshake" in connection);
  return socket ? new FairConnection(connection) : connection;
}
