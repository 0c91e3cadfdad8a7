import { AdminListener } from "../../admin/admin_listener.ts";
import type { AdminTarget } from "../../admin/admin_target.ts";
import type { AdminConfig } from "../../config/config.ts";
import type { Log } from "../../core/log.ts";
import type { TimerWheel } from "../../core/timer_wheel.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { type BoundListener, listen } from "../../net/listen.ts";
import type { SocketAccess } from "../../net/socket_access.ts";
import { changeAccess } from "../../net/change_access.ts";
import type { AdminCredentials } from "../credentials/credentials_loader.ts";

/** What an {@linkcode AdminServer} works with. */
export interface AdminServerParts {
  readonly target: AdminTarget;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly log: Log;
  /** Told that there was no descriptor for a connection. */
  readonly onShortage?: () => void;
}

/**
 * The admin listener of a configuration, through its changes: what is new is bound first ({@linkcode bind}), which
 * may fail, and then takes the place of what was ({@linkcode serve}), which can't.
 */
export class AdminServer {
  readonly #parts: AdminServerParts;
  #listener: AdminListener | undefined;
  /** As its address is configured; the same one is kept. */
  #key: string | undefined;
  #material: AdminCredentials | undefined;
  /** Who may connect to it, of a unix socket. */
  #access: SocketAccess | undefined;

  constructor(parts: AdminServerParts) {
    this.#parts = parts;
  }

  /** Where it listens; absent: nowhere. */
  get address(): Address | undefined {
    return this.#listener?.address;
  }

  /**
   * Binds what `config` needs and is not bound yet.
   *
   * @throws {CulvertError} `listen_failed`
   */
  async bind(config: AdminConfig | undefined): Promise<BoundListener | undefined> {
    if (config === undefined || formatAddress(config.listen) === this.#key) return undefined;
    return await listen(config.listen, { share: false, who: "admin" });
  }

  /** Serves on `bound`, if there is one, and as `config` says from now on. */
  serve(
    config: AdminConfig | undefined,
    { bound, material }: { bound: BoundListener | undefined; material: AdminCredentials | undefined },
  ): void {
    if (config?.tls !== undefined && material === undefined) {
      throw new TypeError("the admin TLS is not loaded");
    }
    const before = this.#listener;
    const key = config && formatAddress(config.listen);
    if (key === this.#key) {
      const changed = (this.#material === undefined) !== (material === undefined);
      this.#material = material;
      if (changed) before?.refresh();
      if (before !== undefined) {
        changeAccess(before.address, { from: this.#access, to: config?.listen.access, log: this.#parts.log });
      }
      this.#access = config?.listen.access;
      return;
    }
    this.#listener = bound && this.#open(bound, material);
    this.#key = key;
    this.#access = config?.listen.access;
    void before?.close();
  }

  /** Stops listening, and lets requests that are under way finish. */
  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = this.#key = undefined;
    await listener?.close();
  }

  #open(bound: BoundListener, material: AdminCredentials | undefined): AdminListener {
    const previous = this.#material;
    const tls = { gate: () => this.#material?.gate, names: () => this.#material?.names ?? [] };
    this.#material = material;
    try {
      const listener = new AdminListener(bound, { ...this.#parts, tls });
      this.#parts.log.info("admin API", { listener: formatAddress(listener.address) });
      return listener;
    } catch (error) {
      this.#material = previous;
      throw error;
    }
  }
}
