import { assert, assertEquals } from "@std/assert";
import { ControlPlane } from "../../../src/app/control/control_plane.ts";
import type { Config } from "../../../src/config/config.ts";
import type { Credentials } from "../../../src/app/credentials/credentials.ts";
import type { ServiceReport } from "../../../src/dataplane/report.ts";
import type { Upstream } from "../../../src/upstream/upstream.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import type { MemoryConnection } from "../../support/memory_connection.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { ScriptedDialler } from "../../support/scripted_dialler.ts";
import { until } from "../../support/wait.ts";

/** A client's real connection, with the far end of the backend's. */
export interface Connected {
  readonly client: Deno.Conn;
  readonly server: MemoryConnection;
}

/** The program's parts with real listeners, fake time and backends in the hands of the test. */
export class AppFixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly dialler = new ScriptedDialler();
  readonly controlPlane = new ControlPlane({ log: this.log, clock: this.clock, dial: this.dialler.dial });
  #answered = 0;

  /** Runs this configuration. */
  async apply(config: string | Config, credentials?: Credentials): Promise<void> {
    const parsed = typeof config === "string"
      ? parseConfig(config, { name: "test.yaml", folder: "." })
      : config;
    using plan = await this.controlPlane.prepare(parsed, credentials);
    plan.commit();
  }

  /** What the services have done. */
  async services(): Promise<readonly ServiceReport[]> {
    return (await this.controlPlane.dataPlane.report()).services;
  }

  /** The data side of an upstream. */
  upstreamOf(name: string): Upstream {
    return this.controlPlane.dataPlane.upstream(name)!;
  }

  /** The port of a service's listener. */
  port(service: string, index = 0): number {
    const address = this.controlPlane.addresses.get(service)![index];
    assert(address?.kind === "tcp");
    return address.port;
  }

  /** A client of a service, with a backend that has taken the connection; its first words have arrived. */
  async connect(port: number): Promise<Connected> {
    const client = await Deno.connect({ hostname: "127.0.0.1", port });
    await client.write(new TextEncoder().encode("hello"));
    const server = (await this.dialler.call(this.#answered++)).accept();
    assertEquals(await server.receive(), "hello");
    return { client, server };
  }

  /** The dialled addresses, in order. */
  get asked(): string {
    return this.dialler.calls.map(({ to }) => to.replace(":1", "")).join(" ");
  }

  /** Ends everything, after which nothing must be left. */
  async end(): Promise<void> {
    await this.controlPlane.destroy();
    assertEquals([this.controlPlane.state, this.dialler.unclosed, this.clock.pending], ["stopped", 0, 0]);
  }
}

/** What a {@linkcode configText} may say. */
export interface ConfigParts {
  /** The hosts of each upstream's backends. */
  readonly upstreams: Record<string, readonly string[]>;
  /** For each service, its listeners and its upstream. */
  readonly services: Record<string, { listen: readonly string[]; upstream: string }>;
  /** More for each upstream, such as `onRemove`. */
  readonly policy?: Record<string, unknown>;
  readonly timeouts?: Record<string, unknown>;
}

/** A configuration as JSON, which is YAML. */
export function configText({ upstreams, services, policy = {}, timeouts = {} }: ConfigParts): string {
  const backends = (hosts: readonly string[]) => hosts.map((host) => ({ address: `${host}:1` }));
  const named = Object.entries(upstreams).map((
    [name, hosts],
  ) => [name, { backends: backends(hosts), ...policy }]);
  return JSON.stringify({
    version: 1,
    timeouts,
    upstreams: Object.fromEntries(named),
    services: Object.entries(services).map(([name, service]) => ({ name, protocol: "tcp", ...service })),
  });
}

/** Resolves as soon as the port is closed: closing a listener takes the runtime a moment. */
export function closed(port: number): Promise<void> {
  const refused = async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return false;
    } catch (error) {
      return error instanceof Deno.errors.ConnectionRefused;
    }
  };
  return until(refused, { what: "the listener to be closed", timeoutMs: 1000 });
}

/** Reads to the end; whether it ended as it should, or by a reset, does not matter. */
export async function gone({ client }: Connected): Promise<void> {
  const buffer = new Uint8Array(100);
  while (await client.read(buffer).catch(() => null) !== null);
  client.close();
}
