import { assertEquals } from "@std/assert";
import * as v from "valibot";
import { type Status, statusSchema } from "../../../src/admin/status/status.ts";
import type { BackendStatus, UpstreamStatus } from "../../../src/admin/status/upstream.ts";
import { ProgramTarget } from "../../../src/app/admin/program_target.ts";
import { badConfig, loadCredentials } from "../../../src/app/credentials/credentials.ts";
import { Reloader } from "../../../src/app/control/reloader.ts";
import type { LogLevel } from "../../../src/core/log.ts";
import { ConfigReading } from "../../../src/config/reading.ts";
import type { CheckOutcome } from "../../../src/upstream/check/health.ts";
import { AppFixture } from "../control/app_fixture.ts";

/** The running program as the admin API sees it, without its files and signals: see {@linkcode AppFixture}. */
export class ProgramFixture extends AppFixture {
  /** The configuration that the next reload reads. */
  text = "";
  /** What paths are relative to. */
  folder: string;
  readonly reloader = new Reloader({ reload: () => this.start(this.text), log: this.log });
  readonly control: ProgramTarget;
  logLevel: LogLevel = "info";

  constructor(folder = "/etc/culvert") {
    super();
    this.folder = folder;
    const { controlPlane, reloader, clock } = this;
    const logLevel = {
      get: () => this.logLevel,
      set: (level: LogLevel) => Promise.resolve(void (this.logLevel = level)),
    };
    this.control = new ProgramTarget({ controlPlane, reloader, version: "1.2.3", folder, logLevel, clock });
  }

  /** Runs this configuration, with the files that it names. */
  async start(text: string): Promise<void> {
    const reading = new ConfigReading(text, { name: "test.yaml", folder: this.folder });
    const { config } = reading;
    if (config === undefined) throw await badConfig(reading, "test.yaml");
    await this.apply(config, await loadCredentials(reading, "test.yaml"));
  }

  /** The status, which must be as its schema says, and as JSON has it. */
  async status(): Promise<Status> {
    const status = await this.control.status();
    assertEquals(v.parse(statusSchema, JSON.parse(JSON.stringify(status))), status);
    return status;
  }

  async upstream(): Promise<UpstreamStatus> {
    return (await this.status()).upstreams[0]!;
  }

  /** A backend by its host. */
  async backend(host: string): Promise<BackendStatus> {
    return (await this.upstream()).backends.find(({ address }) => address === `${host}:1`)!;
  }

  /** A check of a backend of the upstream `app` ends. */
  checked(host: string, outcome: CheckOutcome): void {
    const key = `${host}:1`;
    const health = this.controlPlane.upstream("app")!.health(key)!;
    health.observe(outcome, { rise: 1, fall: 1 });
    this.controlPlane.dataPlane.setHealth("app", new Map([[key, health.state]]));
  }

  /** Why it is not ready. Whether it is must agree. */
  async reasons(): Promise<readonly string[]> {
    const { ready, reasons } = await this.control.ready();
    assertEquals(ready, reasons.length === 0);
    return reasons;
  }
}

/** Fails unless a time is some milliseconds from now, give or take a second, as time passes meanwhile. */
export function assertAbout(time: string | undefined, fromNowMs: number): void {
  const offMs = Date.parse(time!) - Date.now() - fromNowMs;
  assertEquals(Math.abs(offMs) < 1000, true, `${time} is ${offMs} ms off`);
}
