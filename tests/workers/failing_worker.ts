import { runWorker } from "../../src/workers/worker_main.ts";

/** A worker of the program that fails when it is told so on this channel. */
export const FAIL_CHANNEL = "fail";
/** With `?hold` in its URL, it names itself here before it prepares a plan, and waits for an answer. */
export const HOLD_CHANNEL = "hold";

if ("WorkerGlobalScope" in globalThis) {
  runWorker();
  const scope = globalThis as unknown as WorkerScope;
  const { name, onmessage: take } = scope;
  const { searchParams } = new URL(import.meta.url);
  scope.onmessage = async (event) => {
    const { request } = event.data;
    // Worker 2 fails in the midst of this request.
    if (name === "worker 2" && request !== undefined && request === searchParams.get("fail")) {
      throw new Error("a bug");
    }
    if (request === "prepare" && searchParams.has("hold")) await held(name);
    take(event);
  };
  new BroadcastChannel(FAIL_CHANNEL).onmessage = ({ data }) => {
    if (data === name) {
      setTimeout(() => {
        throw new Error("a bug");
      });
    }
  };
}

interface WorkerScope {
  readonly name: string;
  onmessage(event: MessageEvent<{ request?: string }>): void;
}

async function held(name: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const channel = new BroadcastChannel(HOLD_CHANNEL);
  channel.onmessage = () => resolve();
  channel.postMessage(name);
  await promise;
  channel.close();
}
