import { exposedError } from "../../admin/admin_connection.ts";
import { AdminAccess } from "../../admin/admin_access.ts";
import { AdminListener } from "../../admin/admin_listener.ts";
import type { AdminTarget } from "../../admin/admin_target.ts";
import type { AdminConfig } from "../../config/config.ts";
import type { Log } from "../../core/log.ts";
import type { Plan } from "../../core/plan.ts";
import type { TimerWheel } from "../../core/timer_wheel.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { type BoundListener, listen } from "../../net/listen.ts";
import { isAdminAddress } from "../../net/loopback.ts";
import type { SocketAccess } from "../../net/socket_access.ts";
import { changeAccess } from "../../net/change_access.ts";
import type { AdminCredentials } from "../credentials/credentials_loader.ts";

/** What an {@linkcode AdminServer} works with. */
export interface AdminServerParts {
  readonly target: AdminTarget & {
    /** Records while there is a listener. */
    readonly history: { start(): void; stop(): void };
  };
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly log: Log;
  /** Called when there was no descriptor for a connection. */
  readonly onShortage?: () => void;
}

/** What an {@linkcode AdminServer} changes to. */
export interface AdminServerConfig {
  /** Absent: there is no admin listener. */
  readonly config: AdminConfig | undefined;
  /** Absent: no TLS is spoken. */
  readonly credentials: AdminCredentials | undefined;
}

/** The admin listener of a configuration, through its changes. */
export class AdminServer {
  readonly #parts: AdminServerParts;
  #listener: AdminListener | undefined;
  /** Its address as it is configured; a listener with the same one is kept. */
  #key: string | undefined;
  #credentials: AdminCredentials | undefined;
  /** What clients may do; absent: everything. */
  #rules: { readonly config: AdminConfig["allow"]; readonly access: AdminAccess } | undefined;
  /** The users that may connect, for a unix socket. */
  #access: SocketAccess | undefined;

  constructor(parts: AdminServerParts) {
    this.#parts = parts;
  }

  /** Where it listens; absent: nowhere. */
  get address(): Address | undefined {
    return this.#listener?.address;
  }

  /**
   * Binds what this configuration needs and is not bound yet. The plan serves by it.
   *
   * @throws {CulvertError} `listen_failed`
   */
  async prepare(change: AdminServerConfig): Promise<Plan> {
    const { config, credentials } = change;
    if (config?.tls !== undefined && credentials === undefined) {
      throw new TypeError("the admin TLS is not loaded");
    }
    if (config === undefined || formatAddress(config.listen) === this.#key) {
      return { commit: () => this.#serve(change, undefined), [Symbol.dispose]: () => {} };
    }
    let bound: BoundListener | undefined = await listen(config.listen, { share: false, who: "admin" });
    const close = () => bound?.close();
    if (credentials === undefined && !isAdminAddress(bound.address)) {
      close();
      throw exposedError(bound.address);
    }
    return {
      commit: () => {
        this.#serve(change, bound);
        bound = undefined; // The listener owns it.
      },
      [Symbol.dispose]: close,
    };
  }

  /** Uses other credentials, and changes nothing else. */
  renew(credentials: AdminCredentials | undefined): void {
    this.#credentials = credentials;
  }

  /** Stops listening, and lets requests that are under way finish. */
  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = this.#key = undefined;
    this.#parts.target.history.stop();
    await listener?.close();
  }

  #serve({ config, credentials }: AdminServerConfig, bound: BoundListener | undefined): void {
    const before = this.#listener;
    const hadTls = this.#credentials !== undefined;
    const from = this.#access;
    const to = config?.listen.access;
    this.#credentials = credentials;
    this.#access = to;
    const hadRules = this.#rules?.config;
    const allow = config?.allow;
    const isSame = JSON.stringify(hadRules) === JSON.stringify(allow);
    if (!isSame) this.#rules = allow && { config: allow, access: new AdminAccess(allow) };
    const key = config && formatAddress(config.listen);
    if (key === this.#key) {
      if (hadTls !== (credentials !== undefined) || !isSame) before?.refresh();
      if (before !== undefined) changeAccess(before.address, { from, to, log: this.#parts.log });
      return;
    }
    this.#key = key;
    this.#listener = bound && this.#open(bound);
    const { history } = this.#parts.target;
    if (this.#listener === undefined) history.stop();
    else history.start();
    void before?.close();
  }

  #open(bound: BoundListener): AdminListener {
    const tls = { gate: () => this.#credentials?.gate, names: () => this.#credentials?.names ?? [] };
    const listener = new AdminListener(bound, { ...this.#parts, tls, access: () => this.#rules?.access });
    this.#parts.log.info("admin API", { listener: formatAddress(listener.address) });
    return listener;
  }
}
