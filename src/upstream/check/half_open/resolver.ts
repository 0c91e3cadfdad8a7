import { HalfOpenClosedError, HalfOpenResolveError } from "./errors.ts";
import { type HalfOpenTarget, type TcpAddress } from "./target.ts";
import { cString, type Libc, LITTLE_ENDIAN } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;

/** Offsets in `struct addrinfo` and its size, on 64-bit Linux; glibc's and musl's are the same. */
const ADDRINFO = { family: 4, socketType: 8, address: 24, next: 40, bytes: 48 };

/** A lookup blocks a thread of the runtime's pool, and can't be aborted. */
const MAX_LOOKUPS = 4;
/** The most addresses of a name. */
const MAX_ADDRESSES = 8;

type Ip = Pick<HalfOpenTarget, "family" | "words" | "scopeId">;

/**
 * Resolves host names by `getaddrinfo` of the C library, including `/etc/hosts`. Concurrent requests for the same name share
 * a lookup; at most four are under way.
 */
export class HalfOpenResolver {
  readonly #libc: Libc;
  readonly #shared = new Map<string, Promise<readonly Ip[]>>();
  readonly #queue: PromiseWithResolvers<void>[] = [];
  #underWay = 0;
  #closed: PromiseWithResolvers<void> | undefined;

  /** The caller closes `libc`, after `close` has resolved. */
  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * The addresses of a host name, at least one and at most eight.
   *
   * @throws {HalfOpenResolveError} if there are none.
   * @throws {HalfOpenClosedError} if it is closed before the lookup has begun.
   */
  async resolve(address: TcpAddress): Promise<HalfOpenTarget[]> {
    const { host, port } = address;
    let lookup = this.#shared.get(host);
    if (lookup === undefined) {
      lookup = this.#lookup(host).finally(() => this.#shared.delete(host));
      this.#shared.set(host, lookup);
    }
    return (await lookup).map((ip) => ({ address, port, ...ip }));
  }

  /** Starts no more lookups. Resolves when those under way have ended, which has no time limit. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      for (const waiter of this.#queue.splice(0)) waiter.reject(new HalfOpenClosedError());
      if (this.#underWay === 0) this.#closed.resolve();
    }
    return this.#closed.promise;
  }

  async #lookup(host: string): Promise<readonly Ip[]> {
    // C would end the name at the zero byte.
    if (host.includes("\0")) throw new HalfOpenResolveError(host, "it is not a host name");
    await this.#begin();
    try {
      return await this.#ask(host);
    } finally {
      this.#underWay--;
      this.#queue.shift()?.resolve();
      if (this.#underWay === 0) this.#closed?.resolve();
    }
  }

  async #begin(): Promise<void> {
    if (this.#closed !== undefined) throw new HalfOpenClosedError();
    if (this.#underWay >= MAX_LOOKUPS) {
      const waiter = Promise.withResolvers<void>();
      this.#queue.push(waiter);
      await waiter.promise;
      if (this.#closed !== undefined) throw new HalfOpenClosedError();
    }
    this.#underWay++;
  }

  async #ask(host: string): Promise<readonly Ip[]> {
    const { call } = this.#libc;
    const name = cString(host);
    const hints = new DataView(new ArrayBuffer(ADDRINFO.bytes));
    hints.setInt32(ADDRINFO.socketType, SOCK_STREAM, LITTLE_ENDIAN);
    const list = new BigUint64Array(1);
    const code = await call.getaddrinfo(
      name,
      null,
      new Uint8Array(hints.buffer),
      new Uint8Array(list.buffer),
    );
    if (code !== 0) throw new HalfOpenResolveError(host, this.#libc.text(call.gai_strerror(code)));
    const first = list[0]!;
    try {
      const ips = this.#readList(first);
      if (ips.length === 0) throw new HalfOpenResolveError(host, "it has no address");
      return ips;
    } finally {
      call.freeaddrinfo(first);
    }
  }

  #readList(first: bigint): Ip[] {
    const ips: Ip[] = [];
    const info = new DataView(new ArrayBuffer(ADDRINFO.bytes));
    for (let entry = first; entry !== 0n && ips.length < MAX_ADDRESSES;) {
      this.#libc.copy(entry, new Uint8Array(info.buffer));
      const family = info.getInt32(ADDRINFO.family, LITTLE_ENDIAN);
      const ip = this.#readIp(family, info.getBigUint64(ADDRINFO.address, LITTLE_ENDIAN));
      if (ip !== undefined) ips.push(ip);
      entry = info.getBigUint64(ADDRINFO.next, LITTLE_ENDIAN);
    }
    return ips;
  }

  #readIp(family: number, address: bigint): Ip | undefined {
    if (family !== AF_INET && family !== AF_INET6) return undefined;
    const view = new DataView(new ArrayBuffer(family === AF_INET ? 16 : 28));
    this.#libc.copy(address, new Uint8Array(view.buffer));
    if (family === AF_INET) return { family: 4, words: [view.getUint32(4)], scopeId: 0 };
    const words = [8, 12, 16, 20].map((offset) => view.getUint32(offset));
    return { family: 6, words, scopeId: view.getUint32(24, LITTLE_ENDIAN) };
  }
}
