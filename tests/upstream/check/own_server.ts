import { Child } from "../../support/child.ts";
import { freePort, TemporaryFolder } from "../../support/folder.ts";
import { until } from "../../support/wait.ts";

/** A third-party server with the settings of a test. Disposing of it ends it. */
export interface OwnServer extends AsyncDisposable {
  readonly port: number;
  readonly child: Child;
}

const ATTEMPTS = 3;

/** What to run once there are a folder and a port, as which user, and how it is known to be ready. */
export interface OwnServerSpec {
  readonly program: string;
  readonly uid?: number | undefined;
  args(place: { folder: TemporaryFolder; port: number }): Promise<readonly string[]>;
  /** @default whether its port takes connections */
  ready?(child: Child): boolean;
}

/** Starts it on a port that was free just now; on another one if it has been taken since. */
export async function startOwn(spec: OwnServerSpec): Promise<OwnServer> {
  const { program, uid } = spec;
  for (let attempt = 1;; attempt++) {
    const stop = new AsyncDisposableStack();
    try {
      const folder = stop.use(new TemporaryFolder());
      const port = freePort();
      const args = await spec.args({ folder, port });
      const child = stop.use(new Child({ program, args, ...(uid === undefined ? {} : { uid }) }));
      await until(() => {
        if (!child.running) throw new Error(`the server has ended: ${child.stderr}${child.stdout}`);
        return spec.ready === undefined ? answers(port) : spec.ready(child);
      }, { what: `${program} to listen on port ${port}`, context: () => child.stderr + child.stdout });
      return { port, child, [Symbol.asyncDispose]: () => stop.disposeAsync() };
    } catch (error) {
      await stop.disposeAsync();
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return true;
  } catch {
    return false;
  }
}
