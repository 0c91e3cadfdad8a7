import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { type Address, formatAddress } from "../../src/net/address.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Dial } from "../../src/net/dial.ts";
import type { CheckParts } from "../../src/upstream/check/create_check.ts";
import type { BackendSpec, UpstreamOptions } from "../../src/upstream/options.ts";
import { type Check, CheckFailedError, type CheckReport } from "../../src/upstream/check/check.ts";
import type { HealthOptions } from "../../src/upstream/check/options.ts";
import { CheckScheduler } from "../../src/upstream/check/scheduler.ts";
import type { AcquiredBackend } from "../../src/upstream/acquired_backend.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { ScriptedDialler } from "../support/scripted_dialler.ts";
import { settle } from "../support/settle.ts";
import { spec, specs, upstreamOptions } from "./upstream_fixture.ts";

/** A check every second, and two in a row either way. */
export const HEALTH: HealthOptions = { type: "tcp", intervalMs: 1000, timeoutMs: 500, rise: 2, fall: 2 };

/** A check that says of each backend what the test has written down; the others are good. */
export class ScriptedCheck implements Check {
  /** By host: a check that fails, one that does not end by itself, or one for which there is no descriptor. */
  readonly says: Map<string, "bad" | "hangs" | "short">;
  /** The backends that it has checked, in order: `a b a`. */
  readonly looked: string[] = [];
  /** Why checks were given up. */
  readonly givenUp: unknown[] = [];
  closed = 0;

  constructor(says: Map<string, "bad" | "hangs" | "short">) {
    this.says = says;
  }

  async run(address: Address, signal: AbortSignal): Promise<CheckReport> {
    const host = formatAddress(address).replace(":1", "");
    this.looked.push(host);
    switch (this.says.get(host)) {
      case "bad":
        throw new CheckFailedError("answered 503, expected 200-399");
      case "short":
        throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
      case "hangs":
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            this.givenUp.push(signal.reason.code);
            reject(signal.reason);
          });
        });
    }
    return { detail: "connected" };
  }

  close(): void {
    this.closed++;
  }
}

/** What a test wants to be different. */
export interface HealthFixtureOptions extends Partial<UpstreamOptions> {
  /** Hosts whose checks fail from the first one on: `a b`. */
  readonly bad?: string;
  /** Hosts whose checks hang from the first one on. */
  readonly hangs?: string;
}

/** An upstream with checks, in fake time without jitter, whose checks and dials the test answers. */
export class HealthFixture {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly buffers = new BufferPool();
  readonly dialler = new ScriptedDialler();
  readonly dial = this.dialler.dial;
  readonly log = new RecordingLog();
  readonly scheduler = new CheckScheduler({ wheel: this.wheel, random: () => 0 });
  /** What checks say of each host. */
  readonly says = new Map<string, "bad" | "hangs">();
  /** The checks that were made, in order. */
  readonly checks: ScriptedCheck[] = [];
  /** What these dial with. */
  readonly dials: Dial[] = [];
  readonly upstream: Upstream;
  #options: UpstreamOptions;

  constructor(backends: string | readonly BackendSpec[], options: HealthFixtureOptions = {}) {
    const { bad, hangs, ...own } = options;
    const set = typeof backends === "string" ? specs(backends) : backends;
    this.#options = upstreamOptions(set, { health: HEALTH, ...own });
    if (bad !== undefined) this.say(bad, "bad");
    if (hangs !== undefined) this.say(hangs, "hangs");
    this.upstream = new Upstream(this.#options, this);
  }

  readonly makeCheck = (_: HealthOptions, { dial }: CheckParts): Check => {
    const check = new ScriptedCheck(this.says);
    this.checks.push(check);
    this.dials.push(dial);
    return check;
  };

  /** Changes these options and nothing else. */
  update(changes: Partial<UpstreamOptions>): void {
    this.#options = { ...this.#options, ...changes };
    this.upstream.update(this.#options);
  }

  /** Another set. */
  set(backends: string | readonly BackendSpec[]): void {
    this.update({ backends: typeof backends === "string" ? specs(backends) : backends });
  }

  /** Of these hosts, `a b`, checks say this from now on. */
  say(hosts: string, what: "good" | "bad" | "hangs"): void {
    for (const host of hosts.split(" ")) {
      if (what === "good") this.says.delete(host);
      else this.says.set(host, what);
    }
  }

  /** Lets so many checks of each end, one interval after the other. */
  async checked(times = 1): Promise<void> {
    await this.clock.advanceAsync(times * 1000);
    await settle();
  }

  /** The state of each backend: `a up, b down`. */
  get states(): string {
    return this.upstream.backends.map(({ key, state }) => `${key.replace(":1", "")} ${state}`).join(", ");
  }

  /** The backend of this host. */
  backend(host: string) {
    return this.upstream.find(`${host}:1`)!;
  }

  /** The hosts of the connections that so many searches find, `-` for none; none of them stays open. */
  async picks(count: number): Promise<string> {
    const hosts = [];
    for (let i = 0; i < count; i++) {
      const found = await this.find();
      hosts.push(found?.backend.key.replace(":1", "") ?? "-");
      found?.discard();
    }
    return hosts.join(" ");
  }

  /** Searches, accepts whatever is dialled, and returns what was found; `undefined`: nothing. */
  async find(): Promise<AcquiredBackend | undefined> {
    const run = this.upstream.search({ connectMs: 1000 }).run().catch(() => undefined);
    for (const call of this.dialler.open) call.accept();
    return await run;
  }

  /** Why a search finds nothing. */
  async whyNone(): Promise<Error & { code?: string }> {
    return await this.upstream.search({ connectMs: 1000 }).run().then(
      () => new Error("something was found"),
      (error) => error,
    );
  }

  /** So many connects to `host`, which must be the first to be asked, fail; the searches end with that. */
  async refuse(host: string, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const from = this.dialler.calls.length;
      const run = this.upstream.search({ connectMs: 1000 }).run().then((found) => found.discard(), () => {});
      for (let index = from; index < this.dialler.calls.length; index++) {
        const call = this.dialler.calls[index]!;
        if (call.to === `${host}:1`) call.refuse();
        else call.accept();
        await settle();
      }
      await run;
    }
  }

  /** The lines about a backend's fitness, shortened: `warn a is down`. */
  get news(): string[] {
    return this.log.lines.filter(({ level }) => level !== "debug").map(({ level, message, fields }) =>
      `${level} ${message.replace("backend", String(fields.backend).replace(":1", ""))}`
    );
  }

  /** Closes the upstream: nothing must be left. Returns what is, to be compared with zeros. */
  async end(): Promise<number[]> {
    await this.upstream.close();
    await settle();
    const { scheduler, wheel, clock, dialler, checks } = this;
    const unclosed = checks.filter(({ closed }) => closed !== 1).length;
    return [scheduler.size, scheduler.underWay, wheel.size, clock.pending, dialler.unclosed, unclosed];
  }
}

/** What {@linkcode HealthFixture.end} should return. */
export const NOTHING_LEFT = [0, 0, 0, 0, 0, 0];

export { spec, specs };
