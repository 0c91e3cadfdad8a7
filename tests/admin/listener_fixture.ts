import { AdminListener, type AdminListenerParts } from "../../src/admin/admin_listener.ts";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { type Address, formatAddress } from "../../src/net/address.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { listen } from "../../src/net/listen.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { within } from "../support/wait.ts";
import { FakeTarget } from "./fake_target.ts";

/** An admin listener over a program that does nothing, for one test. */
export class TestAdmin implements AsyncDisposable {
  readonly target: FakeTarget;
  readonly log = new RecordingLog();
  readonly buffers = new BufferPool();
  readonly listener: AdminListener;

  private constructor(bound: Awaited<ReturnType<typeof listen>>, parts: Partial<AdminListenerParts>) {
    const { target = new FakeTarget(), ...more } = parts as Partial<AdminListenerParts> & {
      target?: FakeTarget;
    };
    this.target = target;
    const { log, buffers } = this;
    this.listener = new AdminListener(bound, { target, log, buffers, wheel: new TimerWheel(), ...more });
  }

  static async start(
    parts: Partial<AdminListenerParts> = {},
    address: Address = { kind: "tcp", host: "127.0.0.1", port: 0 },
  ): Promise<TestAdmin> {
    return new TestAdmin(await listen(address), parts);
  }

  get port(): number {
    const { address } = this.listener;
    return address.kind === "tcp" ? address.port : 0;
  }

  /** The URL of a path. */
  url(path: string): string {
    return `http://${formatAddress(this.listener.address)}${path}`;
  }

  connect(): Promise<Deno.TcpConn> {
    return Deno.connect({ hostname: "127.0.0.1", port: this.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(this.listener.close(), { what: "the admin listener to close" });
    if (this.listener.connections !== 0) throw new Error("the listener has kept connections");
  }
}

/** What `fetch` says, as a status and JSON. Its connection ends with it. */
export async function ask(url: string, init: RequestInit = {}): Promise<[status: number, json: unknown]> {
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const response = await fetch(url, { ...init, client });
  return [response.status, await response.json()];
}
