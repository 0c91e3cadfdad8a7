import { runWorker } from "../../src/workers/worker_main.ts";

/** A worker of the program that fails when it is told so on this channel. */
export const FAIL_CHANNEL = "fail";

if ("WorkerGlobalScope" in globalThis) {
  runWorker();
  const { name } = globalThis as unknown as { name: string };
  new BroadcastChannel(FAIL_CHANNEL).onmessage = ({ data }) => {
    if (data === name) {
      setTimeout(() => {
        throw new Error("a bug");
      });
    }
  };
}
