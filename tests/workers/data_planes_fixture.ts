import { buildSnapshot } from "../../src/app/control/build_snapshot.ts";
import { NO_CREDENTIALS } from "../../src/app/credentials/credentials.ts";
import { configSource } from "../../src/app/config_source.ts";
import { parseConfig } from "../../src/config/parse.ts";
import type { LogLevel } from "../../src/core/log.ts";
import type { BoundAddresses } from "../../src/dataplane/listeners.ts";
import type { Snapshot } from "../../src/dataplane/snapshot.ts";
import { DataPlanes } from "../../src/workers/data_planes.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { connect } from "../support/peers.ts";
import { FAIL_CHANNEL, HOLD_CHANNEL } from "./failing_worker.ts";

const MODULE = "./failing_worker.ts";

/** What the data planes of a configuration carry. */
export function snapshotOf(config: string): Snapshot {
  const text = config.startsWith("version") ? config : `version: 1\n${config}`;
  const parsed = parseConfig(text, configSource("/culvert.yaml"));
  return buildSnapshot(parsed, { credentials: NO_CREDENTIALS, sets: new Map() });
}

/** A configuration with one service, `main`, on a port that the system picks. */
export function mainService(
  options: { backends: readonly string[]; service?: string; upstream?: string },
): string {
  const { backends, service = "", upstream = "" } = options;
  return `upstreams: {main: {${upstream}backends: [${backends.map((each) => `"${each}"`).join(", ")}]}}
services: [{name: main, ${service}listen: ["127.0.0.1:0"], upstream: main}]`;
}

/** Data planes in this process, with workers that can be made to fail. */
export class DataPlanesFixture implements AsyncDisposable {
  readonly log = new RecordingLog();
  readonly dataPlanes: DataPlanes;
  /** With `?hold`: called before a worker prepares a plan, which waits for it. */
  onPrepare: (worker: string) => Promise<void> = () => Promise.resolve();
  bound: BoundAddresses = new Map();
  readonly #held = new BroadcastChannel(HOLD_CHANNEL);

  /** With what the module of the workers is to do, as of its URL. */
  constructor(search = "") {
    this.dataPlanes = new DataPlanes({ log: this.log, module: new URL(MODULE + search, import.meta.url) });
    this.#held.onmessage = async ({ data }) => {
      await this.onPrepare(data);
      this.#held.postMessage("go on");
    };
  }

  /** Carries a configuration with so many workers. */
  async change(config: string, workers: number): Promise<void> {
    await this.carry(snapshotOf(config), { workers });
  }

  /** Carries a snapshot with so many workers. */
  async carry(
    snapshot: Snapshot,
    { workers, logLevel = "debug" }: { workers: number; logLevel?: LogLevel },
  ): Promise<void> {
    using plan = await this.dataPlanes.prepare(snapshot, { workers, logLevel });
    this.bound = plan.commit();
    await this.dataPlanes.applied();
  }

  /** The port of a service. */
  port(service = "main"): number {
    const address = this.bound.get(service)?.[0];
    if (address?.kind !== "tcp") throw new Error(`${service} is not bound`);
    return address.port;
  }

  /** Connects so many clients, one after the other. */
  async clients(count: number): Promise<Deno.Conn[]> {
    const clients: Deno.Conn[] = [];
    for (let each = 0; each < count; each++) clients.push(await connect(this.port()));
    return clients;
  }

  /** Makes the worker of this number fail. */
  fail(number: number): void {
    const channel = new BroadcastChannel(FAIL_CHANNEL);
    channel.postMessage(`worker ${number}`);
    channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dataPlanes.destroy();
    this.#held.close();
  }
}
