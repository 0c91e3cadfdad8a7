import { CulvertError } from "../../core/errors.ts";
import { systemClock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { TimerWheel } from "../../core/timer_wheel.ts";
import { BufferPool } from "../../net/buffers.ts";
import type { HostedService } from "../../dataplane/hosted_service.ts";
import { prepareService } from "../../dataplane/service_kinds.ts";
import type { Snapshot } from "../../dataplane/snapshot.ts";
import { Upstreams } from "../../dataplane/upstreams.ts";
import type { Upstream } from "../../upstream/upstream.ts";

/** The services and upstreams of a data plane, without listeners, checks and connections. */
export class ImaginaryPlane implements AsyncDisposable {
  readonly #services: ReadonlyMap<string, HostedService>;
  readonly #upstreams: Upstreams;

  private constructor(services: ReadonlyMap<string, HostedService>, upstreams: Upstreams) {
    this.#services = services;
    this.#upstreams = upstreams;
  }

  /**
   * Makes what the data plane would make of a snapshot.
   *
   * @throws {CulvertError} if credentials or routes can't be used.
   */
  static async create(snapshot: Snapshot): Promise<ImaginaryPlane> {
    const parts = {
      wheel: new TimerWheel({ clock: systemClock }),
      buffers: new BufferPool(),
      clock: systemClock,
      log: silentLog,
      refuses: () => false,
      createLimiter: () => undefined,
    };
    const upstreams = new Upstreams({
      ...parts,
      dial: () => Promise.reject(new CulvertError("not_dialled", "Nothing is dialled")),
      refusal: () => undefined,
      onShortage: () => {},
    });
    // No connection is dialled ahead.
    const resting = snapshot.upstreams.map((each) => ({ ...each, pool: { ...each.pool, minIdle: 0 } }));
    using plan = await upstreams.prepare(resting);
    plan.commit();
    const services = new Map<string, HostedService>();
    for (const service of snapshot.services) {
      const prepared = await prepareService(service);
      const find = (name: string) => upstreams.get(name)!;
      const options = { access: false, onAccess: undefined, running: undefined };
      services.set(service.name, prepared.start({ parts, find, ...options }));
    }
    return new ImaginaryPlane(services, upstreams);
  }

  /** The service of this name. */
  service(name: string): HostedService | undefined {
    return this.#services.get(name);
  }

  /** The upstream of this name. */
  upstream(name: string): Upstream | undefined {
    return this.#upstreams.get(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstreams.close();
  }
}
