import type { Config } from "../config/config.ts";
import { parseConfig } from "../config/parse.ts";
import { materialPaths } from "../config/permissions.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Address } from "../net/address.ts";
import { AdminServer } from "./admin_server.ts";
import { App } from "./app.ts";
import type { ConfigSource } from "./config_source.ts";
import { Control } from "./control.ts";
import type { LineWriter } from "./line_writer.ts";
import { FileWatches, fingerprints } from "./file_watches.ts";
import { configureLog, programLog } from "./log.ts";
import { loadMaterials } from "./materials.ts";
import { unreadiness } from "./readiness.ts";
import { Reloader, type ReloadOutcome } from "./reloader.ts";
import { Signals } from "./signals.ts";
import { fingerprint, watchFile } from "./watch.ts";

/** Options of {@linkcode Supervisor}. */
export interface SupervisorOptions {
  readonly source: ConfigSource;
  /** Where the log goes. */
  readonly writer: LineWriter;
  /** The program's version, for the admin API. */
  readonly version: string;
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
  readonly app: App;
  readonly #options: SupervisorOptions;
  readonly #log: Log = programLog();
  readonly #reloader: Reloader;
  readonly #admin: AdminServer;
  readonly #stopped = Promise.withResolvers<Stopped>();
  readonly #started = Promise.withResolvers<void>();
  readonly #undo: (() => void)[] = [];
  #signals: Signals | undefined;
  #endWatch: (() => void) | undefined;
  /** Certificates, keys, CAs and CRLs are read again when one of them changes, where their folder may be read. */
  readonly #materialWatches = new FileWatches({
    log: this.#log,
    onChange: (path) => void this.reload(`${path} has changed`),
  });
  /** Standard input, which can be read only once. */
  #text: string | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.app = new App({ log: this.#log });
    this.#reloader = new Reloader({ log: this.#log, reload: () => this.#apply() });
    const { app } = this;
    const { version, source: { folder } } = options;
    this.#admin = new AdminServer({
      target: new Control({ app, reloader: this.#reloader, version, folder }),
      wheel: app.wheel,
      buffers: app.buffers,
      log: this.#log,
    });
  }

  /**
   * Reads the configuration and starts what it asks for. Signals are obeyed from the first moment; those that come
   * before everything runs wait for that.
   *
   * @throws {ConfigError} with every problem of the configuration, and whatever reading, permissions and binding
   * throw; nothing runs then.
   */
  async start(): Promise<void> {
    const { path } = this.#options.source;
    const seen = path === undefined ? undefined : await fingerprint(path);
    this.#signals = new Signals({
      onReload: (why) => void this.reload(why),
      onStop: (why) => this.stop(why),
      log: this.#log,
    });
    this.#surviveBugs();
    try {
      await this.#apply();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.#sayStarted();
    await this.#watch(seen);
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

  /** Reads the configuration again and changes to it, or says why not and changes nothing. */
  async reload(why: string): Promise<ReloadOutcome> {
    await this.#started.promise;
    return await this.#reloader.request(why);
  }

  /** The first call drains; the second one cuts what is left. */
  stop(why: string): void {
    if (this.app.state === "starting") {
      void this.#started.promise.then(() => this.stop(why));
    } else if (this.app.state === "ready") {
      this.#log.info("stopping", { why });
      void this.#drain();
    } else if (this.app.state === "draining") {
      this.#log.warn("stopping at once", { why });
      void this.app.destroy();
    }
  }

  /**
   * Lets go of the signals, for a process that goes on after the end. One that exits keeps them: a signal that
   * arrives between the two would end it with an exit code that says something else.
   */
  [Symbol.dispose](): void {
    this.#endWatches();
    this.#signals?.[Symbol.dispose]();
    for (const undo of this.#undo.splice(0)) undo();
  }

  #sayStarted(): void {
    this.#log.info("started", { services: this.app.services.length });
    const reasons = unreadiness(this.app);
    if (reasons.length > 0) this.#log.warn("not ready", { reasons: reasons.join("; ") });
  }

  async #drain(): Promise<void> {
    const cut = await this.app.drain();
    this.#endWatches();
    await this.#admin.close();
    if (cut > 0) this.#log.warn("stopped", { cut });
    else this.#log.info("stopped", { cut });
    await this.#options.writer.flush();
    this.#stopped.resolve({ cut });
  }

  async #apply(): Promise<void> {
    const { source, writer, checkPermissions } = this.#options;
    const config = parseConfig(await this.#read(), source);
    const starting = this.app.state === "starting";
    if (!starting && source.path === undefined && materialPaths(config).length === 0) {
      throw new CulvertError("reload_failed", `Cannot reload: ${source.name} can't be read again`);
    }
    await checkPermissions(config, { ask: starting });
    const seen = await fingerprints(materialPaths(config)); // A change from here on is noticed.
    const materials = await loadMaterials(config, { name: source.name, buffers: this.app.buffers });
    if (starting) await configureLog(config.log, writer);
    const bound = await this.#admin.bind(config.admin);
    try {
      await this.app.apply(config, materials);
    } catch (error) {
      bound?.close();
      throw error;
    }
    if (this.app.state !== "ready") return bound?.close(); // Stopped meanwhile.
    this.#admin.serve(config.admin, { bound, material: materials.admin });
    await configureLog(config.log, writer);
    for (const warning of materials.warnings) this.#log.warn("look after this", { warning });
    await this.#materialWatches.follow(seen);
  }

  async #read(): Promise<string> {
    const { source } = this.#options;
    if (source.path !== undefined) return await source.read();
    return this.#text ??= await source.read();
  }

  #endWatches(): void {
    this.#endWatch?.();
    this.#endWatch = undefined;
    this.#materialWatches.end();
  }

  /**
   * What one connection brings about must not end all others: an error that nobody caught, which is a bug, is logged
   * with its stack, and the program goes on.
   */
  #surviveBugs(): void {
    const onError = (event: ErrorEvent | PromiseRejectionEvent) => {
      event.preventDefault();
      const cause: unknown = "reason" in event ? event.reason : event.error;
      const stack = cause instanceof Error ? cause.stack : undefined;
      this.#log.error("an error that nobody caught; please report it", {
        error: stack ?? describeError(cause),
      });
    };
    for (const type of ["unhandledrejection", "error"] as const) {
      globalThis.addEventListener(type, onError);
      this.#undo.push(() => globalThis.removeEventListener(type, onError));
    }
  }

  async #watch(seen: string | undefined): Promise<void> {
    const { path, folder } = this.#options.source;
    if (path === undefined) return;
    try {
      const onChange = () => void this.reload("the file has changed");
      this.#endWatch = await watchFile({ path, folder }, { onChange, log: this.#log, seen });
      if (this.#endWatch !== undefined) return;
      this.#log.info("changes of the file are not watched: its folder may not be read", { folder });
    } catch (error) {
      this.#log.warn("cannot watch the configuration", { error: describeError(error) });
    }
  }
}
