import { onAbort, pause } from "../../../core/wait.ts";
import type { Clock } from "../../../core/clock.ts";
import type { BackendSpec } from "../../options.ts";
import type { WatchMessage } from "./answers.ts";
import { EtcdError, type EtcdErrorCode } from "./error.ts";
import type { EtcdGateway } from "./gateway.ts";
import type { EtcdKeys } from "./keys.ts";
import { Mailbox } from "./mailbox.ts";

/** The most keys of one request. */
const PAGE_KEYS = 1000;

/** What {@linkcode EtcdSession} needs. */
export interface EtcdSessionOptions {
  readonly gateway: EtcdGateway;
  /** Empty, for this session alone. */
  readonly keys: EtcdKeys;
  /** The bytes of the prefix, a character for each; not empty. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly checkMs: number;
  readonly requestMs: number;
  readonly graceMs: number;
  /** Called once, when all keys have been read. */
  readonly onLoaded: () => void;
}

/**
 * Follows one server, from reading all keys to the first failure. Then the session is over, and the next one reads all
 * keys again. So no revision is kept across failures, and neither compaction nor a server that has lost its data is a
 * special case.
 *
 * A watch without changes and a dead one look alike. So every `checkMs` a range request asks for the number of keys, and
 * for a key that is newer than the last event of the watch. If both are as expected, the keys are complete; a server
 * without quorum can't answer.
 */
export class EtcdSession {
  /** A check has found the keys complete. */
  steady = false;
  readonly #options: EtcdSessionOptions;
  readonly #box = new Mailbox<readonly BackendSpec[]>();
  readonly #stop = new AbortController();
  readonly #range: { readonly key: string; readonly range_end: string };
  #clusterId = "";
  /** The revision up to which the keys are known. */
  #revision = 0;
  /** Messages that the watch has received. */
  #messages = 0;

  /** Runs once. */
  constructor(options: EtcdSessionOptions) {
    this.#options = options;
    this.#range = { key: btoa(options.prefix), range_end: btoa(prefixEnd(options.prefix)) };
  }

  /**
   * Yields the sets; one that is not taken in time is skipped. Never returns.
   *
   * @throws {EtcdError} if the server fails.
   * @throws the reason of `signal`.
   */
  async *sets(signal: AbortSignal): AsyncGenerator<readonly BackendSpec[], never, undefined> {
    using _abort = onAbort(signal, () => this.#stop.abort(signal.reason));
    const running = this.#run();
    try {
      for (;;) yield await this.#box.take();
    } finally {
      this.#stop.abort();
      await running;
    }
  }

  /** Never rejects. The first error ends everything, and is thrown by `sets`. */
  async #run(): Promise<void> {
    const fail = (error: unknown) => {
      this.#box.fail(error);
      this.#stop.abort(error);
    };
    try {
      await this.#load();
    } catch (error) {
      return fail(error);
    }
    await Promise.all([this.#watch().catch(fail), this.#check().catch(fail)]);
  }

  /** Reads all keys at one revision. */
  async #load(): Promise<void> {
    const { gateway, keys, onLoaded } = this.#options;
    let last = "";
    for (let page = {}, more = true; more; page = { key: btoa(`${last}\0`), revision: this.#revision }) {
      const request = { ...this.#range, limit: PAGE_KEYS, ...page };
      const answer = await gateway.range(request, this.#stop.signal);
      if (this.#revision === 0) {
        this.#revision = answer.header.revision;
        this.#clusterId = answer.header.clusterId;
      }
      this.#expectCluster(answer.header.clusterId);
      for (const key of answer.keys) {
        if (key.key <= last) throw this.#error("etcd_bad_answer", "its keys are out of order");
        keys.put(this.#inside(key));
        last = key.key;
      }
      this.#expectNotTooMany();
      more = answer.more && answer.keys.length > 0;
    }
    keys.complete();
    onLoaded();
    this.#box.put(keys.specs());
  }

  /** Follows the changes since that revision. */
  async #watch(): Promise<void> {
    const { gateway, clock, requestMs } = this.#options;
    const late = () => this.#stop.abort(this.#error("etcd_timeout", `no watch within ${requestMs}ms`));
    const cancel = clock.after(requestMs, late);
    try {
      const request = { ...this.#range, start_revision: this.#revision + 1 };
      for await (const message of gateway.watch(request, this.#stop.signal)) {
        this.#messages++;
        if (message.created) cancel();
        this.#apply(message);
      }
    } finally {
      cancel();
    }
    throw this.#error("etcd_unreachable", "it ended the watch");
  }

  #apply({ header, canceled, compactRevision, cancelReason, events }: WatchMessage): void {
    if (compactRevision > 0) throw this.#error("etcd_compacted", `compacted up to ${compactRevision}`);
    if (canceled) throw this.#error("etcd_refused", `it canceled the watch: ${cancelReason || "no reason"}`);
    this.#expectCluster(header.clusterId);
    const { keys } = this.#options;
    let changed = false;
    for (const event of events) {
      if (this.#inside(event).revision < this.#revision) {
        throw this.#error("etcd_bad_answer", `an event of revision ${event.revision} came late`);
      }
      this.#revision = event.revision;
      if (event.deleted ? keys.delete(event.key) : keys.put(event)) changed = true;
    }
    this.#expectNotTooMany();
    if (changed) this.#box.put(keys.specs());
  }

  async #check(): Promise<void> {
    const { checkMs, graceMs } = this.#options;
    for (;;) {
      await this.#sleep(checkMs);
      if (!await this.#agrees()) {
        const messages = this.#messages;
        await this.#sleep(graceMs); // The events may be on their way.
        if (!await this.#agrees() && messages === this.#messages) {
          throw this.#error("etcd_stale", "the watch misses changes");
        }
      }
      this.steady = true;
    }
  }

  /** Whether the server has no changes that the watch has missed. A watch that receives a message meanwhile is alive. */
  async #agrees(): Promise<boolean> {
    const { gateway, keys } = this.#options;
    const messages = this.#messages;
    const newer = { min_mod_revision: this.#revision + 1, keys_only: true, limit: 1 };
    const { header, keys: found, count } = await gateway.range(
      { ...this.#range, ...newer },
      this.#stop.signal,
    );
    if (messages !== this.#messages) return true;
    this.#expectCluster(header.clusterId);
    if (header.revision < this.#revision) {
      const went = `from revision ${this.#revision} to ${header.revision}`;
      throw this.#error("etcd_stale", `its revision has decreased ${went}`);
    }
    return found.length === 0 && count === keys.size;
  }

  /** Rejects if the session ends first. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop;
    await pause(ms, { clock: this.#options.clock, signal });
    signal.throwIfAborted();
  }

  #inside<T extends { readonly key: string }>(key: T): T {
    if (key.key.startsWith(this.#options.prefix)) return key;
    throw this.#error("etcd_bad_answer", "it sent a key outside of the prefix");
  }

  #expectCluster(clusterId: string): void {
    if (clusterId === this.#clusterId) return;
    throw this.#error("etcd_stale", "another cluster answers");
  }

  #expectNotTooMany(): void {
    if (this.#options.keys.tooMany) {
      throw this.#error("etcd_too_much", "too many keys, or too long ones, under the prefix");
    }
  }

  #error(code: EtcdErrorCode, what: string): EtcdError {
    return new EtcdError(code, { endpoint: this.#options.gateway.endpoint, what });
  }
}

/** The first key behind all with this prefix. UTF-8 has no byte 255. */
function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
