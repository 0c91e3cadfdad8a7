import { basename, join } from "node:path";
import type { Config } from "../config/config.ts";
import { credentialPaths } from "../config/required_permissions.ts";
import { ConfigReading } from "../config/reading.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { Log, LogLevel } from "../core/log.ts";
import type { Address } from "../net/address.ts";
import type { HeldLibc } from "../upstream/check/half_open/held_libc.ts";
import { AdminServer } from "./admin/admin_server.ts";
import { ControlPlane } from "./control/control_plane.ts";
import type { ConfigSource } from "./config_source.ts";
import { ProgramTarget } from "./admin/program_target.ts";
import type { LineWriter } from "./log/line_writer.ts";
import { fileVersions, FileWatches } from "./watch/file_watches.ts";
import { configureLog, programLog } from "./log/log.ts";
import { badConfig, type Credentials, loadCredentials } from "./credentials/credentials.ts";
import { unreadiness } from "./admin/readiness.ts";
import { Reloader, type ReloadOutcome } from "./control/reloader.ts";
import { renewTrust } from "./credentials/renew_trust.ts";
import { Signals } from "./signals.ts";

/** Options of {@linkcode Supervisor}. */
export interface SupervisorOptions {
  readonly source: ConfigSource;
  /** Where the log goes. */
  readonly writer: LineWriter;
  /** The program's version, for the admin API. */
  readonly version: string;
  /** The C library for half-open checks. @default it is opened when they are wanted */
  readonly library?: HeldLibc;
  /** The module that workers run, which calls `runWorker`. @default there can be no workers */
  readonly workerModule?: URL | undefined;
  /** Throws if a permission that `config` needs is missing. It may ask for it only while nothing runs yet. */
  readonly checkPermissions: (config: Config, options: { ask: boolean }) => Promise<void>;
}

/** How the program ended: `cut` connections had not finished when the drain's time ran out. */
export interface Stopped {
  readonly cut: number;
}

/**
 * Runs the proxy from its configuration to its end: starts it, follows signals and changes of the file, drains it.
 *
 * The order of a stop: the listeners close; the state turns to draining, which the admin API tells; connections
 * finish, each within its service's `timeouts.drain`; what is left is cut; the pools close, and the admin listener.
 * A second signal cuts at once.
 */
export class Supervisor implements Disposable {
  readonly controlPlane: ControlPlane;
  readonly #options: SupervisorOptions;
  readonly #log: Log = programLog();
  readonly #reloader: Reloader;
  readonly #admin: AdminServer;
  readonly #stopped = Promise.withResolvers<Stopped>();
  readonly #started = Promise.withResolvers<void>();
  readonly #undo: (() => void)[] = [];
  #signals: Signals | undefined;
  /** The configuration, certificates, keys, CAs and CRLs are read again when one of them changes. */
  readonly #watches = new FileWatches({
    log: this.#log,
    onChange: (path) =>
      void this.reload(path === this.#path ? "the file has changed" : `${path} has changed`),
  });
  /** The configuration file, as it is watched. */
  readonly #path: string | undefined;
  /** The level of the log, which the admin API can change. */
  #logLevel: LogLevel = "info";
  /** Standard input, which can be read only once. */
  #text: string | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.controlPlane = new ControlPlane({
      log: this.#log,
      library: options.library,
      workerModule: options.workerModule,
      writeAccess: (line) => options.writer.write(line),
    });
    this.#reloader = new Reloader({ log: this.#log, reload: () => this.#reload() });
    const { controlPlane } = this;
    const { version, source: { folder, path } } = options;
    this.#path = path === undefined ? undefined : join(folder, basename(path));
    this.#admin = new AdminServer({
      target: new ProgramTarget({
        ...{ controlPlane, reloader: this.#reloader, version, folder },
        logLevel: { get: () => this.#logLevel, set: (level) => this.#setLogLevel(level) },
      }),
      wheel: controlPlane.wheel,
      buffers: controlPlane.buffers,
      log: this.#log,
      onShortage: () => controlPlane.dataPlane.freeDescriptors(),
    });
  }

  /**
   * Reads the configuration and starts what it asks for. Signals are obeyed from the first moment: one to reload waits
   * until everything runs; one to stop ends it at once, whatever is waited for. Then nothing runs when this resolves.
   *
   * @throws {ConfigError} with every problem of the configuration, and whatever reading, permissions and binding
   * throw; nothing runs then.
   */
  async start(): Promise<void> {
    this.#signals = new Signals({
      onReload: (why) => void this.reload(why),
      onStop: (why) => this.stop(why),
      log: this.#log,
    });
    this.#surviveBugs();
    try {
      // Standard input may never end.
      await Promise.race([this.#apply(), this.#stopped.promise]);
    } catch (error) {
      if (!this.#stopping) {
        this[Symbol.dispose]();
        throw error;
      }
    }
    const { config } = this.controlPlane;
    if (this.#stopping || config === undefined) return;
    await this.#logStarted(config);
    this.#started.resolve();
  }

  /** Where the admin API listens; absent: nowhere. */
  get adminAddress(): Address | undefined {
    return this.#admin.address;
  }

  /** Resolves when everything has ended. */
  get stopped(): Promise<Stopped> {
    return this.#stopped.promise;
  }

  /** Reads the configuration again and changes to it, or logs why not and keeps the current one. */
  async reload(why: string): Promise<ReloadOutcome> {
    await this.#started.promise;
    return await this.#reloader.request(why);
  }

  /** The first call drains, which is soon done while nothing runs yet; the second one cuts what is left. */
  stop(why: string): void {
    if (!this.#stopping) {
      this.#log.info("stopping", { why });
      void this.#drain();
    } else if (this.controlPlane.state === "draining") {
      this.#log.warn("stopping at once", { why });
      void this.controlPlane.destroy();
    }
  }

  /**
   * Lets go of the signals, for a process that goes on after the end. One that exits keeps them: a signal that
   * arrives between the two would end it with an exit code that says something else.
   */
  [Symbol.dispose](): void {
    this.#watches.end();
    this.#signals?.[Symbol.dispose]();
    for (const undo of this.#undo.splice(0)) undo();
  }

  get #stopping(): boolean {
    const { state } = this.controlPlane;
    return state === "draining" || state === "stopped";
  }

  async #logStarted(config: Config): Promise<void> {
    this.#log.info("started", { services: config.services.length });
    const reasons = await unreadiness(this.controlPlane);
    if (reasons.length > 0) this.#log.info("not ready yet", { reasons: reasons.join("; ") });
  }

  async #drain(): Promise<void> {
    this.#watches.end(); // Nothing that changes from here on counts any more.
    const cut = await this.controlPlane.drain();
    await this.#admin.close();
    if (cut > 0) this.#log.warn("stopped", { cut });
    else this.#log.info("stopped", { cut });
    await this.#options.writer.flush();
    this.#stopped.resolve({ cut });
  }

  async #reload(): Promise<void> {
    if (this.#stopping) {
      throw new CulvertError("draining", "Cannot reload: the program is stopping");
    }
    try {
      await this.#apply();
    } catch (error) {
      await this.#renewTrust();
      throw error;
    }
  }

  /**
   * The current configuration is kept, whatever is wrong with the new one. A client whose certificate was revoked, or
   * whose CA was removed, is rejected nevertheless: anything else would fail open.
   */
  async #renewTrust(): Promise<void> {
    const { controlPlane } = this;
    const { config } = controlPlane;
    if (config === undefined || this.#stopping) return;
    try {
      const renewed = await renewTrust(config, controlPlane.credentials);
      if (renewed === undefined || this.#stopping) return;
      const { credentials, usedBy } = renewed;
      await controlPlane.renewTrust(renewed);
      this.#admin.renew(credentials.admin);
      if (usedBy.length > 0) {
        const message = "reload failed, but changed CAs and CRLs for client certificates are in use";
        this.#log.warn(message, { used_by: usedBy.join(", ") });
      }
      for (const warning of credentials.warnings) this.#log.warn(warning);
    } catch (error) {
      this.#log.error("cannot read CAs and CRLs for client certificates again", {
        error: describeError(error),
      });
    }
  }

  async #apply(): Promise<void> {
    const { source, writer, checkPermissions } = this.#options;
    const ofConfig = await fileVersions(this.#path === undefined ? [] : [this.#path]);
    // What comes from standard input can be read once.
    const text = source.path === undefined ? this.#text ??= await source.read() : await source.read();
    if (this.#stopping) {
      throw new CulvertError("draining", "Cannot read the configuration: the program is stopping");
    }
    const reading = await ConfigReading.read(text, source);
    const { config } = reading;
    if (config === undefined) throw await badConfig(reading, source.name);
    const starting = this.controlPlane.state === "starting";
    if (!starting && source.path === undefined && credentialPaths(config).length === 0) {
      throw new CulvertError("reload_failed", `Cannot reload: ${source.name} can't be read again`);
    }
    await checkPermissions(config, { ask: starting });
    const ofCredentials = await fileVersions(credentialPaths(config)); // A change from here on is noticed.
    const credentials = await loadCredentials(reading, source.name);
    if (starting) await configureLog(config.log, writer);
    await this.#change(config, credentials);
    await configureLog(config.log, writer);
    this.#logLevel = config.log.level;
    for (const warning of credentials.warnings) this.#log.warn(warning);
    await this.#watches.follow(new Map([...ofConfig, ...ofCredentials]));
  }

  async #setLogLevel(level: LogLevel): Promise<void> {
    const { config } = this.controlPlane;
    if (config === undefined) return;
    await configureLog({ ...config.log, level }, this.#options.writer);
    this.controlPlane.dataPlane.setLogLevel(level);
    this.#logLevel = level;
  }

  /** Prepares everything, which may fail, and commits then. */
  async #change(config: Config, credentials: Credentials): Promise<void> {
    using admin = await this.#admin.prepare({ config: config.admin, credentials: credentials.admin });
    using plan = await this.controlPlane.prepare(config, credentials);
    plan.commit();
    admin.commit();
    this.controlPlane.adminAddress = this.#admin.address;
    await this.controlPlane.dataPlane.applied();
  }

  /**
   * An error in one connection must not end all others: an uncaught error, which is a bug, is logged with its stack,
   * and the program goes on.
   */
  #surviveBugs(): void {
    const onError = (event: ErrorEvent | PromiseRejectionEvent) => {
      event.preventDefault();
      const cause: unknown = "reason" in event ? event.reason : event.error;
      const stack = cause instanceof Error ? cause.stack : undefined;
      this.#log.error("uncaught error, please report it", {
        error: stack ?? describeError(cause),
      });
    };
    for (const type of ["unhandledrejection", "error"] as const) {
      globalThis.addEventListener(type, onError);
      this.#undo.push(() => globalThis.removeEventListener(type, onError));
    }
  }
}
