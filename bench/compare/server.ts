import { Process, type ProgramSpec } from "./process.ts";

/** A running program that accepts connections on a loopback port. */
export interface Server extends AsyncDisposable {
  port: number;
  process: Process;
}

const READY_MS = 15_000;

/** Starts a program and waits until its port accepts connections; ends it when that takes too long. */
export async function startServer(spec: ProgramSpec, port: number): Promise<Server> {
  const process = new Process(spec);
  try {
    await process.until(() => accepts(port), READY_MS);
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
  return { port, process, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

/** A loopback port that nothing listens on. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
