import { assertEquals } from "@std/assert";
import type { UpstreamStatus } from "../../../src/admin/status/upstream.ts";
import { buildUpstreamStatus } from "../../../src/app/admin/build_upstream_status.ts";
import {
  ManagedUpstream,
  type ManagedUpstreamParts,
  type UpstreamCredentials,
} from "../../../src/app/upstreams/managed_upstream.ts";
import type { makeSources } from "../../../src/app/upstreams/sources.ts";
import type { DiscoverConfig, UpstreamConfig } from "../../../src/config/config.ts";
import { runAtOnce } from "../../../src/core/slices.ts";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import type { BackendCredentials, buildConnector } from "../../../src/dataplane/credentials.ts";
import { reportUpstream } from "../../../src/dataplane/report.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import type { TlsSession } from "../../../src/tls/session/handshake.ts";
import type { TlsConnect } from "../../../src/tls/dial.ts";
import { HalfOpenChecker } from "../../../src/upstream/check/half_open/checker.ts";
import { CheckScheduler } from "../../../src/upstream/check/scheduler.ts";
import type { UpstreamOptions } from "../../../src/upstream/options.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { ScriptedDialler } from "../../support/scripted_dialler.ts";
import { ScriptedSource } from "../../upstream/discover/discovery_fixture.ts";
import { specs, upstreamOptions } from "../../upstream/upstream_fixture.ts";

/** The keys of a configuration with a file, and more sources if there are to be. */
export function from(path: string, more: Partial<DiscoverConfig> = {}): DiscoverConfig {
  return { filePath: path, keepOnEmpty: false, ...more };
}

/** The keys of a configuration that asks DNS. */
export function dns(name: string): Pick<DiscoverConfig, "dns"> {
  return { dns: { name, type: "A", port: 1, intervalMs: 1000 } };
}

/** A configuration that lists backends by their hosts. */
export function config(listed: string, options: Partial<UpstreamConfig> = {}): UpstreamConfig {
  return { ...upstreamOptions(specs(listed)), ...options };
}

/** TLS that is none: `tls.serverName` says which of these diallers opens its connections. */
export function tlsBy(diallers: Readonly<Record<string, ScriptedDialler>>): typeof buildConnector {
  return ({ serverName }): TlsConnect => async (to, signal) => {
    const connection = to.kind === "open" ? to.connection : await diallers[serverName!]!.dial(to, signal);
    return { connection } as unknown as TlsSession;
  };
}

/** The credentials that {@linkcode tlsBy} knows by this name. */
export function tlsOf(serverName: string): BackendCredentials {
  return { serverName, verify: true, minVersion: "1.2", maxVersion: "1.3", alpn: [] };
}

/** A managed upstream with its data side, in fake time; its sources and dials are in the hands of the test. */
export class ManagedFixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly dialler = new ScriptedDialler();
  /** The sources by what they are asked for, each time that they were recreated: `file one`, `dns two`. */
  readonly made: { readonly name: string; readonly scripted: ScriptedSource }[] = [];
  /** Sources that are made from now on do not look at their signals. */
  stubborn = false;
  readonly managed: ManagedUpstream;
  /** What the data plane has. */
  readonly upstream: Upstream;
  readonly #parts: ManagedUpstreamParts;

  constructor(
    config: UpstreamConfig,
    { credentials = {}, diallers = {} }: {
      credentials?: UpstreamCredentials;
      diallers?: Readonly<Record<string, ScriptedDialler>>;
    } = {},
  ) {
    const wheel = new TimerWheel({ clock: this.clock });
    const shared = { wheel, buffers: new BufferPool(), log: this.log, dial: this.dialler.dial };
    this.#parts = {
      ...shared,
      dataPlane: {
        setBackends: (_, backends) => this.upstream.updateBackends(backends),
        setHealth: (_, states) => this.upstream.setHealth(states),
      },
      clock: this.clock,
      scheduler: new CheckScheduler({ wheel }),
      halfOpen: () => new HalfOpenChecker(),
      makeSources: this.#make,
      buildConnector: tlsBy(diallers),
    };
    const prepared = ManagedUpstream.prepare(config, { credentials, parts: this.#parts });
    this.managed = new ManagedUpstream(prepared, this.#parts);
    this.upstream = new Upstream(optionsOf(config), shared);
  }

  /** The hosts of the set, in its order: `a b`. */
  get hosts(): string {
    return this.upstream.backends.map(({ key }) => key.replace(":1", "")).join(" ");
  }

  /** How the admin API shows it. */
  status(): UpstreamStatus {
    return runAtOnce(
      buildUpstreamStatus(runAtOnce(reportUpstream(this.upstream)), {
        control: this.managed,
        clock: this.clock,
      }),
    );
  }

  /** The source of this name that was made last. */
  source(name: string): ScriptedSource {
    return this.made.findLast((each) => each.name === name)!.scripted;
  }

  /** Has a source give these hosts. */
  give(name: string, hosts: string): Promise<void> {
    return this.source(name).give(specs(hosts));
  }

  /** Changes both sides, as a plan does. */
  update(config: UpstreamConfig, credentials: UpstreamCredentials = {}): void {
    const running = this.managed;
    running.update(ManagedUpstream.prepare(config, { credentials, parts: this.#parts, running }));
    this.upstream.update({ ...optionsOf(config), backends: running.backends });
  }

  /** Ends everything, after which nothing must be left. */
  async end(): Promise<void> {
    await this.managed.close();
    await this.upstream.close();
    const running = this.made.filter(({ scripted }) => scripted.asked !== scripted.ended);
    assertEquals([this.hosts, running, this.clock.pending, this.dialler.unclosed], ["", [], 0, 0]);
  }

  readonly #make: typeof makeSources = ({ dns, filePath, etcd }) => {
    const names = [dns && `dns ${dns.name}`, filePath && `file ${filePath}`, etcd && `etcd ${etcd.prefix}`];
    return names.filter((name) => name !== undefined).map((name) => {
      const scripted = new ScriptedSource();
      this.made.push({ name, scripted });
      const { source } = scripted;
      return { name, source: this.stubborn ? () => source(new AbortController().signal) : source };
    });
  };
}

function optionsOf({ health, discover: _discover, tls: _tls, ...options }: UpstreamConfig): UpstreamOptions {
  return { ...options, externalHealth: health !== undefined };
}
