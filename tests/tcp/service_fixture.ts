import { assertEquals } from "@std/assert";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { buildSniMap } from "../../src/net/client_hello/sni_map.ts";
import type { AdmissionOptions, Timeouts } from "../../src/service/options.ts";

import { type TcpRoute, TcpService } from "../../src/tcp/service.ts";
import type { BackendSpec, UpstreamOptions } from "../../src/upstream/options.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { type MemoryConnection, memoryPair } from "../support/memory_connection.ts";
import type { LogLine } from "../support/recording_log.ts";
import { specs, UpstreamFixture } from "../upstream/upstream_fixture.ts";

/** What a test wants to be different. */
export interface ServiceFixtureOptions {
  readonly backends?: readonly BackendSpec[];
  readonly upstream?: Partial<UpstreamOptions>;
  readonly timeouts?: Partial<Timeouts>;
  readonly admission?: Partial<AdmissionOptions>;
  readonly access?: boolean;
  /** The peers that must send a PROXY header. */
  readonly trusted?: readonly string[];
  /** Server names and wildcards that lead to `db`, or to an upstream of the test's. */
  readonly names?: Readonly<Record<string, Upstream | "db">>;
  /** Whether a client whose name is unknown goes to `db`. @default {true} */
  readonly fallback?: boolean;
}

/** A client of the service, as its own side sees it. */
export interface Caller {
  /** The client's end. */
  readonly end: MemoryConnection;
  /** Resolves when the service is done with it. */
  readonly served: Promise<void>;
}

/** The fields of a line that there are. */
export function said({ fields }: LogLine): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A service with one upstream, `db`, of backends `a` and `b`, in fake time, with a scripted dialler. */
export class ServiceFixture extends UpstreamFixture {
  readonly service: TcpService;
  #options: ServiceFixtureOptions;
  #answered = 0;

  constructor(options: ServiceFixtureOptions = {}) {
    super(options.backends ?? specs("a b"), options.upstream);
    this.#options = options;
    this.service = new TcpService(this.serviceOptions(), {
      route: this.route(options),
      wheel: this.wheel,
      buffers: this.buffers,
      clock: this.clock,
      log: this.log,
      access: options.access ?? true,
    });
  }

  /** The service's options, with some changed. */
  serviceOptions(changes: ServiceFixtureOptions = {}) {
    const timeouts = {
      connectMs: 10_000,
      handshakeMs: 10_000,
      idleMs: 90_000,
      halfCloseMs: 60_000,
      lifetimeMs: 0,
      drainMs: 30_000,
      ...this.#options.timeouts,
      ...changes.timeouts,
    };
    const admission = { maxConnections: 0, ...this.#options.admission, ...changes.admission };
    const trusted = changes.trusted ?? this.#options.trusted;
    const proxyFrom = trusted === undefined ? {} : { proxyFrom: parseAddressSet(trusted) };
    return { name: "postgres", admission, timeouts, ...proxyFrom };
  }

  /** Where connections go, as the options say. */
  route({ names, fallback = true }: ServiceFixtureOptions): TcpRoute {
    const led = Object.entries(names ?? {}).map(([pattern, to]) =>
      [pattern, to === "db" ? this.upstream : to] as const
    );
    return {
      upstream: fallback ? this.upstream : undefined,
      names: names === undefined ? undefined : buildSniMap(led),
    };
  }

  /** A client comes, from this address. */
  call(ip = "10.0.0.1"): Caller {
    const [end, connection] = memoryPair();
    const served = this.service.serve({
      connection,
      address: { ip, port: 4711 },
      localAddr: { transport: "tcp", hostname: "127.0.0.1", port: 5432 },
      listener: "127.0.0.1:5432",
    });
    return { end, served };
  }

  /** Takes the next dial; returns the backend's end. */
  async answer(): Promise<MemoryConnection> {
    return (await this.dialler.call(this.#answered++)).accept();
  }

  /** A client that has its backend, each end in the hands of the test, with a first exchange done. */
  async connect(): Promise<Caller & { server: MemoryConnection }> {
    const caller = this.call();
    const server = await this.answer();
    await caller.end.send("question");
    await server.receive();
    await server.send("answer");
    await caller.end.receive();
    return { ...caller, server };
  }

  /** The access lines. */
  get lines(): LogLine[] {
    return this.log.lines.filter(({ message }) => message.startsWith("connection "));
  }

  /** The reasons of the connections that have ended, in order. */
  get reasons(): unknown[] {
    return this.lines.map(({ fields }) => fields.reason);
  }

  /** Nothing must be left of all the connections that there were. */
  async end(): Promise<void> {
    const backends = this.upstream.backends;
    await this.upstream.close();
    assertEquals(this.service.counters.active, 0);
    assertEquals(backends.map(({ active, live }) => [active, live.size]), backends.map(() => [0, 0]));
    assertEquals([this.dialler.unclosed, this.dialler.open.length], [0, 0]);
    assertEquals([this.wheel.size, this.clock.pending], [0, 0]);
    assertEquals(this.buffers.inUse, { small: 0, medium: 0, large: 0 });
  }
}
