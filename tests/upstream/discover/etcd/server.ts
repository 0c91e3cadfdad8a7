import { Child, output, run } from "../../../support/child.ts";
import { freePort, TemporaryFolder } from "../../../support/folder.ts";
import { until } from "../../../support/wait.ts";

const ATTEMPTS = 3;
/** Short ones, so that a lease may be as short as a second. */
const TIMING = ["--heartbeat-interval=50", "--election-timeout=500"];

/** How to start an {@linkcode EtcdServer}. */
export interface EtcdServerOptions {
  /** @default {"http"} */
  readonly scheme?: "http" | "https";
  /** More for the server's command line. */
  readonly args?: readonly string[];
  /** What `etcdctl` needs to authenticate. */
  readonly controlArgs?: readonly string[];
}

/** A member of a cluster, before it has started. */
interface Place {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
}

/** A real etcd on ports that were free just now. Disposing of it ends it and removes its data. */
export class EtcdServer implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** What `etcdctl` needs to authenticate. */
  controlArgs: readonly string[];
  readonly #folder = new TemporaryFolder();
  readonly #place: Place;
  readonly #args: readonly string[];
  #child: Child | undefined;

  constructor(places: readonly Place[], index: number, options: EtcdServerOptions = {}) {
    const { scheme = "http", args = [], controlArgs = [] } = options;
    this.#place = places[index]!;
    this.port = this.#place.clientPort;
    this.url = `${scheme}://127.0.0.1:${this.port}`;
    this.controlArgs = controlArgs;
    const peer = `http://127.0.0.1:${this.#place.peerPort}`;
    const cluster = places.map(({ name, peerPort }) => `${name}=http://127.0.0.1:${peerPort}`).join();
    this.#args = [
      ...TIMING,
      ...["--name", this.#place.name, "--initial-cluster", cluster],
      ...["--listen-client-urls", this.url, "--advertise-client-urls", this.url],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...args,
    ];
  }

  /** Starts it, with the data that it left. Does not wait until it answers. */
  spawn(): void {
    const args = ["--data-dir", this.#folder.file("data"), ...this.#args];
    this.#child = new Child({ program: "etcd", args });
  }

  /** Resolves when it answers and has a leader. */
  async ready(): Promise<void> {
    const child = this.#child!;
    await until(async () => {
      if (!child.running) throw new Error(`etcd has ended: ${child.stderr}`);
      const args = [...this.#controlArgs(), "endpoint", "health"];
      return (await run("etcdctl", args)).code === 0;
    }, { what: "etcd to be ready", context: () => child.stderr });
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /** Ends it, and keeps its data. */
  async stop(): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]();
    this.#child = undefined;
  }

  /** Takes its data away. */
  async forget(): Promise<void> {
    await Deno.remove(this.#folder.file("data"), { recursive: true });
  }

  signal(signal: Deno.Signal): void {
    this.#child?.signal(signal);
  }

  /** Runs `etcdctl`, which must succeed. */
  control(...args: string[]): Promise<string> {
    return output("etcdctl", [...this.#controlArgs(), ...args]);
  }

  /** The revision of its store. */
  async revision(): Promise<number> {
    const text = await this.control("get", "/", "--write-out=json");
    return JSON.parse(text).header.revision;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGCONT");
    await this.stop();
    await this.#folder[Symbol.asyncDispose]();
  }

  #controlArgs(): string[] {
    return [`--endpoints=${this.url}`, ...this.controlArgs];
  }
}

/** Starts an etcd, on other ports if they have been taken in the meantime. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const [server] = await startMembers(1, options);
  return server!;
}

/** Starts a cluster of so many members, and waits until all of them answer. */
export async function startMembers(count: number, options: EtcdServerOptions = {}): Promise<EtcdServer[]> {
  for (let attempt = 1;; attempt++) {
    const places = Array.from({ length: count }, (_, i) => ({
      name: `m${i}`,
      clientPort: freePort(),
      peerPort: freePort(),
    }));
    const members = places.map((_, i) => new EtcdServer(places, i, options));
    try {
      for (const member of members) member.spawn();
      await Promise.all(members.map((member) => member.ready()));
      return members;
    } catch (error) {
      for (const member of members) await member[Symbol.asyncDispose]();
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
