import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import type { BackendSpec, UpstreamOptions } from "../../src/upstream/options.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { ScriptedDialler } from "../support/scripted_dialler.ts";

/** A backend by its host, on port 1, with what a test wants to be different. */
export function spec(host: string, options: Partial<BackendSpec> = {}): BackendSpec {
  const address = { kind: "tcp", host, port: 1 } as const;
  return { address, weight: 1, maxConnections: 0, backup: false, ...options };
}

/** Backends of equal weight by their hosts: `specs("a b c")`. */
export function specs(hosts: string): BackendSpec[] {
  return hosts.split(" ").filter((host) => host !== "").map((host) => spec(host));
}

/** An upstream called `db` that tries its backends in their order, unless a test wants it otherwise. */
export function upstreamOptions(
  backends: readonly BackendSpec[],
  options: Partial<UpstreamOptions> = {},
): UpstreamOptions {
  const pool = { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 0 };
  return {
    name: "db",
    backends,
    balance: "first",
    pool,
    retries: 2,
    onRemove: "close",
    proxyProtocol: "none",
    ...options,
  };
}

/** An upstream in fake time whose dials the test answers. */
export class UpstreamFixture {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly buffers = new BufferPool();
  readonly dialler = new ScriptedDialler();
  readonly log = new RecordingLog();
  readonly upstream: Upstream;

  constructor(backends: readonly BackendSpec[], options: Partial<UpstreamOptions> = {}) {
    this.upstream = new Upstream(upstreamOptions(backends, options), this);
  }

  /** The dialler, under the name that an upstream knows it by. */
  get dial() {
    return this.dialler.dial;
  }

  /** The dialled backends, in order: `a b`. */
  get asked(): string {
    return this.dialler.calls.map(({ to }) => to.replace(":1", "")).join(" ");
  }

  /** What each backend counts now: `a 1 active 0 failed`. */
  get counts(): string[] {
    return this.upstream.backends.map(({ address, active, failures }) =>
      `${address.kind === "tcp" ? address.host : ""} ${active} active ${failures} failed`
    );
  }
}
