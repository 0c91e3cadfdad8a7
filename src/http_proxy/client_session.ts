import type { TimerWheel } from "../core/timer_wheel.ts";
import type { HeadWriter } from "../http/head_writer.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { ClientHandshake } from "../service/client_handshake.ts";
import type { ProxyHeaderInfo } from "../upstream/client_header.ts";
import type { ClientView } from "./client_view.ts";
import type { HttpPlan } from "./plan.ts";
import type { Source } from "./source.ts";

/** The connection of a client, as an exchange on it sees it. */
export interface ClientSession {
  readonly client: ClientHandshake;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  /** For heads that are written and sent, or copied, at once. */
  readonly scratch: HeadWriter;
  /** What the client sends. */
  readonly source: Source;
  /** What is known of the client. */
  readonly view: ClientView;
  /** What a PROXY header tells backends. */
  tellBackend(): ProxyHeaderInfo;
  /** Whether the connection ends behind the answer to a request that began with `plan`. */
  isClosing(plan: HttpPlan): boolean;
  /** Bytes that were sent to the client. The caller of `send` adds to it. */
  bytesDown: number;
  /** Writes some of `bytes` to the client; resolves to how many. Rejects when it has gone. */
  send(bytes: Uint8Array): Promise<number>;
  /** Writes all of `bytes` to the client. Rejects when it has gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Reads from a client that waits for its answer, to see whether it leaves. */
  watchClient(nowMs: number): void;
  /** Reads from a client that has sent its request, and whose answer is about to begin. */
  expectEnd(): void;
  /** The answer has begun. A client that has ended its side before reads on; one that ends it now leaves. */
  endMeansLeaving(): void;
  /** Ends the connection so that the client can tell that it was cut off. */
  abort(): void;
}
