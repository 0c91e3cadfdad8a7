import { HalfOpenSystemError } from "./errors.ts";
import type { HalfOpenTarget } from "./target.ts";
import { type Libc, LITTLE_ENDIAN } from "./libc.ts";

// The same numbers on x86_64 and aarch64 (include/uapi/asm-generic and include/uapi/linux).
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_QUICKACK = 12;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_LINGER = 13;
const ECONNABORTED = 103;
const ECONNREFUSED = 111;
const EINPROGRESS = 115;
const TCP_ESTABLISHED = 1;
const TCP_SYN_SENT = 2;
const TCP_SYN_RECV = 3;
const TCP_CLOSE = 7;
const TCP_CLOSE_WAIT = 8;

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

/** What {@linkcode HalfOpenSockets.look} has seen, where it is not the system's number for a failure. */
export const ANSWERED = 0;
/** No answer yet. */
export const WAITING = -1;

/**
 * The sockets of half-open checks. Every call is done at once, none waits, and none allocates: they share a few
 * buffers. What `open` gives is closed by the caller, with `close`.
 *
 * `TCP_QUICKACK` 0 makes the kernel hold back the ACK that would complete the handshake, for 200 ms in all, as there
 * may be data to send along; `SO_LINGER` {1, 0} makes `close` a reset. Together: SYN, SYN-ACK, RST. The same means as
 * in https://github.com/tevino/tcp-shaker.
 */
export class HalfOpenSockets {
  readonly #libc: Libc;
  readonly #ipv4 = new DataView(new ArrayBuffer(SOCKADDR_IN_BYTES));
  readonly #ipv6 = new DataView(new ArrayBuffer(SOCKADDR_IN6_BYTES));
  readonly #ipv4Bytes = new Uint8Array(this.#ipv4.buffer);
  readonly #ipv6Bytes = new Uint8Array(this.#ipv6.buffer);
  readonly #off = new Uint8Array(4);
  readonly #zeroLinger = new Uint8Array(new Int32Array([1, 0]).buffer);
  /** Where the system writes an answer, and how long it is. */
  readonly #answer = new DataView(new ArrayBuffer(SOCKADDR_IN6_BYTES));
  readonly #answerBytes = new Uint8Array(this.#answer.buffer);
  readonly #length = new Uint32Array(1);
  readonly #lengthBytes = new Uint8Array(this.#length.buffer);

  /** `libc` stays the caller's. */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#ipv4.setUint16(0, AF_INET, LITTLE_ENDIAN);
    this.#ipv6.setUint16(0, AF_INET6, LITTLE_ENDIAN);
  }

  /**
   * Opens a socket, ready to connect.
   *
   * @throws {HalfOpenSystemError} if that fails; nothing is left open then.
   */
  open(family: 4 | 6, zeroLinger: boolean): number {
    const { call } = this.#libc;
    const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const fd = call.socket(family === 4 ? AF_INET : AF_INET6, type, IPPROTO_TCP);
    if (fd < 0) throw new HalfOpenSystemError("socket", this.#libc.errno);
    const ready = call.setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, this.#off, 4) === 0 &&
      (!zeroLinger || call.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.#zeroLinger, 8) === 0);
    if (ready) return fd;
    const { errno } = this.#libc;
    this.close(fd);
    throw new HalfOpenSystemError("setsockopt", errno);
  }

  /** Sends the SYN. Returns `WAITING`, or the error number of an immediate failure. */
  connect(fd: number, target: HalfOpenTarget): number {
    const result = target.family === 4 ? this.#connect4(fd, target) : this.#connect6(fd, target);
    if (result === 0) return WAITING;
    const { errno } = this.#libc;
    if (errno === EINPROGRESS) return WAITING;
    // The runtime may have changed errno between the two calls; the state of the socket is reliable.
    return this.#state(fd) === TCP_CLOSE ? errno || ECONNABORTED : WAITING;
  }

  /** The result so far: `ANSWERED`, `WAITING`, or the error number of the failure. */
  look(fd: number, target: HalfOpenTarget): number {
    const errno = this.#option(fd, { level: SOL_SOCKET, name: SO_ERROR, length: 4 })
      ? this.#answer.getInt32(0, LITTLE_ENDIAN)
      : this.#libc.errno;
    if (errno !== 0) return errno;
    switch (this.#state(fd)) {
      case TCP_ESTABLISHED:
      case TCP_CLOSE_WAIT:
        return this.#isItself(fd, target.port) ? ECONNREFUSED : ANSWERED;
      case TCP_SYN_SENT:
      case TCP_SYN_RECV:
        return WAITING;
      default:
        return ECONNABORTED;
    }
  }

  /** Closes a socket, with a reset if it has zero linger and a peer. */
  close(fd: number): void {
    // On Linux the descriptor is closed even if this returns an error.
    this.#libc.call.close(fd);
  }

  /**
   * Whether a socket is connected to itself: if a port of the ephemeral range is not listening, the socket may get that
   * port and answer its own SYN ("simultaneous open", RFC 9293, 3.5). About one in 30,000 checks of a local port would
   * succeed by mistake.
   */
  #isItself(fd: number, port: number): boolean {
    const { call } = this.#libc;
    this.#length[0] = SOCKADDR_IN6_BYTES;
    if (call.getsockname(fd, this.#answerBytes, this.#lengthBytes) !== 0) return false;
    if (this.#answer.getUint16(2) !== port) return false;
    const own = this.#answerBytes.slice(0, this.#length[0]);
    this.#length[0] = SOCKADDR_IN6_BYTES;
    if (call.getpeername(fd, this.#answerBytes, this.#lengthBytes) !== 0) return false;
    return own.every((byte, i) => byte === this.#answerBytes[i]);
  }

  #connect4(fd: number, target: HalfOpenTarget): number {
    this.#ipv4.setUint16(2, target.port);
    this.#ipv4.setUint32(4, target.words[0]!);
    return this.#libc.call.connect(fd, this.#ipv4Bytes, SOCKADDR_IN_BYTES);
  }

  #connect6(fd: number, target: HalfOpenTarget): number {
    this.#ipv6.setUint16(2, target.port);
    for (let i = 0; i < 4; i++) this.#ipv6.setUint32(8 + 4 * i, target.words[i]!);
    this.#ipv6.setUint32(24, target.scopeId, LITTLE_ENDIAN);
    return this.#libc.call.connect(fd, this.#ipv6Bytes, SOCKADDR_IN6_BYTES);
  }

  /** The state of the connection, the first byte of `struct tcp_info`; -1: not known. */
  #state(fd: number): number {
    return this.#option(fd, { level: IPPROTO_TCP, name: TCP_INFO, length: 1 }) ? this.#answerBytes[0]! : -1;
  }

  #option(fd: number, option: { level: number; name: number; length: number }): boolean {
    const { level, name, length } = option;
    this.#length[0] = length;
    return this.#libc.call.getsockopt(fd, level, name, this.#answerBytes, this.#lengthBytes) === 0;
  }
}
