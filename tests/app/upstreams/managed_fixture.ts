import { assertEquals } from "@std/assert";
import { ManagedUpstream, type Reach } from "../../../src/app/upstreams/managed_upstream.ts";
import type { makeSources } from "../../../src/app/upstreams/sources.ts";
import type { DiscoverConfig, UpstreamConfig } from "../../../src/config/config.ts";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import type { TlsSession } from "../../../src/tls/session/handshake.ts";
import type { TlsConnect } from "../../../src/tls/dial.ts";
import { HalfOpenChecker } from "../../../src/upstream/check/half_open/checker.ts";
import { CheckScheduler } from "../../../src/upstream/check/scheduler.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { ScriptedDialler } from "../../support/scripted_dialler.ts";
import { ScriptedSource } from "../../upstream/discover/discovery_fixture.ts";
import { specs, upstreamOptions } from "../../upstream/upstream_fixture.ts";

/** Backends are reached in plain. */
export const PLAIN: Reach = { connectTls: undefined, etcdTls: undefined };

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

/** TLS that is none: what is dialled is in the hands of the test. */
export function tlsBy(dialler: ScriptedDialler): TlsConnect {
  return async (to, signal) => {
    const connection = to.kind === "open" ? to.connection : await dialler.dial(to, signal);
    return { connection } as unknown as TlsSession;
  };
}

/** A managed upstream in fake time, whose sources and dials are in the hands of the test. */
export class ManagedFixture {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly dialler = new ScriptedDialler();
  /** The sources by what they are asked for, each time that they were made anew: `file one`, `dns two`. */
  readonly made: { readonly name: string; readonly scripted: ScriptedSource }[] = [];
  /** Sources that are made from now on do not look at their signals. */
  stubborn = false;
  readonly managed: ManagedUpstream;

  constructor(config: UpstreamConfig, reach: Reach = PLAIN) {
    const wheel = new TimerWheel({ clock: this.clock });
    this.managed = new ManagedUpstream(config, {
      reach,
      parts: {
        clock: this.clock,
        log: this.log,
        wheel,
        buffers: new BufferPool(),
        scheduler: new CheckScheduler({ wheel }),
        dial: this.dialler.dial,
        halfOpen: () => new HalfOpenChecker(),
        makeSources: this.#make,
      },
    });
  }

  /** The hosts of the set, in its order: `a b`. */
  get hosts(): string {
    return this.managed.upstream.backends.map(({ key }) => key.replace(":1", "")).join(" ");
  }

  /** The source of this name that was made last. */
  source(name: string): ScriptedSource {
    return this.made.findLast((each) => each.name === name)!.scripted;
  }

  /** Has a source give these hosts. */
  give(name: string, hosts: string): Promise<void> {
    return this.source(name).give(specs(hosts));
  }

  update(config: UpstreamConfig, reach: Reach = PLAIN): void {
    this.managed.update(config, reach);
  }

  /** Ends everything, after which nothing must be left. */
  async end(): Promise<void> {
    await this.managed.close();
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
