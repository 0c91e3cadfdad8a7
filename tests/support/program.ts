import { assertEquals } from "@std/assert";
import { configSource } from "../../src/app/config_source.ts";
import { permissionFlags } from "../../src/cli/permission_flags.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { Child, output } from "./child.ts";
import { TemporaryFolder } from "./folder.ts";
import { type LogRecord, type Match, matches, parseLogLine } from "./log_record.ts";
import { connectionCount, descriptorLinks } from "./proc.ts";
import { until, within } from "./wait.ts";

/** Options of {@linkcode startCulvert}. */
export interface CulvertOptions {
  /** Configurations that it will be given later, whose permissions it needs from the start. */
  readonly later?: readonly string[];
  /** Whether it may read the folder of its configuration, and so notices changes of the file. */
  readonly watching?: boolean;
  /** Folders that it may read besides, and so notices changes of the certificates in them. */
  readonly readable?: readonly string[];
  /** Variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Connections that its pools dial ahead, which are there from the start. @default {0} */
  readonly idle?: number;
  /** How many descriptors it may have open at once. @default as many as the test's own process */
  readonly descriptors?: number;
}

/** The main module as it stands in the repository. */
export const SOURCE = new URL("../../main.ts", import.meta.url).pathname;
/**
 * The main module of the program that is tested: the bundle that `tests/run.ts` makes, which starts in half the
 * processor time, or the source.
 */
export const MAIN = Deno.env.get("CULVERT_BUNDLE") || SOURCE;
/** The runtime that runs it. */
export const DENO = Deno.execPath();

/** How many workers the program has in all tests, as text: `CULVERT_TEST_WORKERS=2 deno task test`. */
const WORKERS = Deno.env.get("CULVERT_TEST_WORKERS");

/** How many threads carry traffic in all tests: what each of them does for itself is there so many times. */
export const THREADS: number = Number(WORKERS ?? 1);

/** The configuration with the workers that the tests are run with, unless it has some of its own. */
function withWorkers(config: string): string {
  if (WORKERS === undefined || /^workers:/m.test(config)) return config;
  return config.replace(/^version: 1$/m, `version: 1\nworkers: ${WORKERS}`);
}

/** The head of every configuration: a log that {@linkcode Culvert} can read. */
export const HEAD = "version: 1\nlog: {format: json, level: debug}\n";

/**
 * Starts the program as a user does: on a file, in a process of its own, with exactly the permissions that
 * `permissions` prints for that file. Resolves when it is ready.
 */
export async function startCulvert(config: string, options: CulvertOptions = {}): Promise<Culvert> {
  const folder = new TemporaryFolder();
  try {
    const file = folder.file("culvert.yaml");
    const flags: string[] = [];
    for (const text of [...options.later ?? [], config].map(withWorkers)) {
      await Deno.writeTextFile(file, text);
      flags.push(...flagsFor(text, file));
    }
    if (options.watching) flags.push(`--allow-read=${folder.path}`);
    for (const path of options.readable ?? []) flags.push(`--allow-read=${path}`);
    // Workers load a module of their own, which `flagsFor` looks for in the source.
    const main = /^workers:/m.test(withWorkers(config)) ? SOURCE : MAIN;
    const command = limited(["run", ...flags, main, "--config", file], options.descriptors);
    const culvert = new Culvert({ folder, file, env: options.env, ...command });
    await culvert.ready(options);
    return culvert;
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** The flags that the program prints for a file with this text, without a start of it. */
export function flagsFor(text: string, file: string): string[] {
  const source = configSource(file);
  return permissionFlags(parseConfig(text, source), source, {
    nameServers: [],
    mainModule: new URL("../../main.ts", import.meta.url).href,
  }).split(" ");
}

/** The flags that the program says it needs for a file. */
export async function printedFlags(file: string): Promise<string[]> {
  const args = ["run", `--allow-read=${file}`, MAIN, "permissions", "--config", file];
  return (await output(DENO, args)).trim().split(" ");
}

/** The program as it runs. Disposing of it ends it, whatever it is doing. */
export class Culvert implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  /** The configuration file. */
  readonly file: string;
  /** The log so far. */
  readonly records: LogRecord[] = [];
  readonly #child: Child;
  #baseline = 0;
  #idle = 0;
  #onRecord = Promise.withResolvers<void>();

  constructor(
    options: {
      folder: TemporaryFolder;
      file: string;
      program: string;
      args: string[];
      env?: Readonly<Record<string, string>> | undefined;
    },
  ) {
    const { folder, file, program, args, env = {} } = options;
    this.folder = folder;
    this.file = file;
    this.#child = new Child({
      program,
      args,
      env,
      onErrorLine: (line) => {
        const record = parseLogLine(line);
        if (record !== undefined) this.#take(record);
      },
    });
  }

  /** Resolves when the program is ready, to be called once. */
  async ready({ watching = false, idle = 0 }: CulvertOptions): Promise<void> {
    try {
      await this.waitFor({ message: "started" });
      if (!watching) await this.waitFor(({ message }) => String(message).includes("not watched"));
      else await until(() => this.#links().includes("anon_inode:inotify"), this.#about("a watched folder"));
    } catch (error) {
      await this.#child[Symbol.asyncDispose]();
      throw error;
    }
    const all = idle * THREADS; // Each worker has a pool of its own.
    if (all > 0) await until(() => this.connections() === all, this.#about(`${all} idle connections`));
    this.#idle = all;
    this.#baseline = this.descriptors();
  }

  /** Where a service listens, with the port that was picked; the latest, where there were several. */
  address(service: string, index = 0): string {
    const listening = this.records.filter((record) => matches(record, { message: "listening", service }));
    const record = listening.at(index);
    if (record === undefined) throw new Error(`${service} has no listener ${index}`);
    return String(record.listener);
  }

  /** The port of a service's listener. */
  port(service: string, index = 0): number {
    return Number(this.address(service, index).split(":").at(-1));
  }

  /** Resolves to the first record that matches, or to the `count`-th, as soon as there is one. */
  async waitFor(match: Match, count = 1): Promise<LogRecord> {
    const search = async () => {
      for (;;) {
        const found = this.records.filter((record) => matches(record, match))[count - 1];
        if (found !== undefined) return found;
        await this.#onRecord.promise;
      }
    };
    const what = typeof match === "function" ? String(match) : JSON.stringify(match);
    const ended = this.#child.exit.then(() => {
      if (this.records.filter((record) => matches(record, match)).length >= count) return search();
      throw new Error(`the program ended without ${what}\n${this.#logEnd()}`);
    });
    return await within(Promise.race([search(), ended]), this.#about(`${what}, ${count} times`));
  }

  /** The records so far that match. */
  found(match: Match): LogRecord[] {
    return this.records.filter((record) => matches(record, match));
  }

  /** What it has written to standard error so far. */
  get stderr(): string {
    return this.#child.stderr;
  }

  signal(signal: Deno.Signal): void {
    this.#child.signal(signal);
  }

  /** Resolves to the exit code, within the usual deadline. */
  get exit(): Promise<number> {
    return within(this.#child.exit, this.#about("the program to end"));
  }

  /** Puts another configuration in the place of the one it was started with. The program is not told. */
  async write(config: string): Promise<void> {
    const next = this.folder.file("culvert.yaml.next");
    await Deno.writeTextFile(next, withWorkers(config));
    await Deno.rename(next, this.file);
  }

  /** Gives it another configuration, and waits until it has taken it. */
  async reload(config: string): Promise<void> {
    const { length } = this.found({ message: "reloaded" });
    await this.write(config);
    this.signal("SIGHUP");
    await this.waitFor({ message: "reloaded" }, length + 1);
  }

  /** How many files and sockets it has open. */
  descriptors(): number {
    return this.#links().length;
  }

  /** How many TCP connections it has, to clients and to backends. */
  connections(): number {
    return connectionCount(this.#child.pid);
  }

  /**
   * Resolves when it has as many descriptors as at the start, and `more`, such as for a listener that a reload has
   * added.
   */
  async settled(more = 0): Promise<void> {
    if (WORKERS !== undefined) {
      // How many descriptors each worker has for itself is up to the runtime.
      const what = `${this.#idle} open connections`;
      return await until(() => this.connections() === this.#idle, this.#about(what));
    }
    const expected = this.#baseline + more;
    const what = `${expected} open descriptors`;
    // At the start there may have been one of a health check besides.
    await until(() => this.descriptors() <= expected, {
      ...this.#about(what),
      context: () => `${this.descriptors()} are open:\n${this.#links().join(" ")}\n${this.#logEnd()}`,
    });
  }

  /** The end of a scenario: nothing is left behind, no connection lives, exit code 0, and only these errors in the log. */
  async finish(more = 0, errors: readonly string[] = []): Promise<void> {
    await this.settled(more);
    this.signal("SIGTERM");
    assertEquals(await this.exit, 0);
    assertEquals((await this.waitFor({ message: "draining" })).connections, 0);
    const logged = this.found({ level: "ERROR" }).map(({ message }) => message);
    // Each thread may log the same.
    assertEquals(THREADS === 1 ? logged : [...new Set(logged)], [...errors]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A test that has passed has seen the program's end.
    if (this.#child.running) console.error(this.#logEnd());
    this.signal("SIGKILL");
    await this.#child.exit;
    await this.folder[Symbol.asyncDispose]();
  }

  #take(record: LogRecord): void {
    this.records.push(record);
    this.#onRecord.resolve();
    this.#onRecord = Promise.withResolvers();
  }

  #links(): string[] {
    return descriptorLinks(this.#child.pid);
  }

  #about(what: string): { what: string; context: () => string } {
    return { what, context: () => this.#logEnd() };
  }

  #logEnd(): string {
    return this.stderr.slice(-3000);
  }
}

/** The runtime with these arguments, and with no more descriptors than that. */
function limited(args: string[], descriptors: number | undefined): { program: string; args: string[] } {
  if (descriptors === undefined) return { program: DENO, args };
  return { program: "prlimit", args: [`--nofile=${descriptors}:${descriptors}`, DENO, ...args] };
}
