import { onAbort, pause } from "../../../core/wait.ts";
import type { Clock } from "../../../core/clock.ts";
import type { BackendSpec } from "../../options.ts";
import type { WatchMessage } from "./answers.ts";
import { EtcdError, type EtcdErrorCode } from "./error.ts";
import type { EtcdGateway } from "./gateway.ts";
import type { EtcdKeys } from "./keys.ts";
import { Mailbox } from "./mailbox.ts";

/** How many keys are asked for at once. */
const PAGE_KEYS = 1000;

/** What {@linkcode EtcdSession} needs. */
export interface EtcdSessionOptions {
  readonly gateway: EtcdGateway;
  /** Empty ones, for this session alone. */
  readonly keys: EtcdKeys;
  /** The prefix's bytes, one character for each; not empty. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly checkMs: number;
  readonly requestMs: number;
  readonly graceMs: number;
  /** Called once, when all keys have been read. */
  readonly onLoaded: () => void;
}

/**
 * What one server says, from reading all keys to the first sign that something is wrong: then it is over, and
 * another one begins anew. So no revision is carried over a break, and neither compaction nor a server that has
 * lost its data in the meantime needs care of its own.
 *
 * A watch that is told nothing and one that is dead look the same. So every `checkMs` a range asks two things: how
 * many keys there are, and whether any of them is newer than what the watch has told. With both as expected the
 * picture is complete; a server that is cut off from its quorum cannot answer at all.
 */
export class EtcdSession {
  /** A check has found everything as it should be. */
  steady = false;
  readonly #options: EtcdSessionOptions;
  readonly #box = new Mailbox<readonly BackendSpec[]>();
  readonly #stop = new AbortController();
  readonly #range: { readonly key: string; readonly range_end: string };
  #clusterId = "";
  /** The revision up to which the keys are known. */
  #revision = 0;
  /** Messages of the watch so far. */
  #messages = 0;

  /** Runs once. */
  constructor(options: EtcdSessionOptions) {
    this.#options = options;
    this.#range = { key: btoa(options.prefix), range_end: btoa(prefixEnd(options.prefix)) };
  }

  /**
   * The sets as they come; one that is not taken in time is passed over. Never ends by itself: it throws.
   *
   * @throws {EtcdError} when the server fails.
   * @throws the reason of `signal`, when that aborts.
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

  /** Never rejects. What goes wrong first ends everything, and is what the reader of the sets gets. */
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

  /** Reads all keys as they are at one revision. */
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

  /** Follows the changes since then. */
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
        await this.#sleep(graceMs); // What was missing may be on its way.
        if (!await this.#agrees() && messages === this.#messages) {
          throw this.#error("etcd_stale", "the watch keeps silent about changes");
        }
      }
      this.steady = true;
    }
  }

  /** Whether the server has what the watch has told, and no more. A watch that speaks meanwhile is alive. */
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
      throw this.#error("etcd_stale", `its data have gone back ${went}`);
    }
    return found.length === 0 && count === keys.size;
  }

  /** Rejects with the reason of the end, when that comes first. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop;
    await pause(ms, { clock: this.#options.clock, signal });
    signal.throwIfAborted();
  }

  #inside<T extends { readonly key: string }>(key: T): T {
    if (key.key.startsWith(this.#options.prefix)) return key;
    throw this.#error("etcd_bad_answer", "it told of a key outside of the prefix");
  }

  #expectCluster(clusterId: string): void {
    if (clusterId === this.#clusterId) return;
    throw this.#error("etcd_stale", "another cluster answers there");
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

/** The first text after all that begin with `prefix`. UTF-8 has no byte 255. */
function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
