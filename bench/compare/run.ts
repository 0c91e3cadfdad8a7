import { Process, type ProgramSpec } from "./process.ts";

/** How a program ended, and what it wrote on both streams. */
export interface Outcome {
  code: number;
  output: string;
}

/** Runs a program to its end; throws when it takes longer than `timeoutMs`. */
export async function run(spec: ProgramSpec, timeoutMs: number): Promise<Outcome> {
  const timeout = AbortSignal.timeout(timeoutMs);
  await using process = new Process({ ...spec, signal: AbortSignal.any([spec.signal, timeout]) });
  const code = await process.ended();
  spec.signal.throwIfAborted();
  if (timeout.aborted) throw process.failure(`was not done after ${timeoutMs} ms`);
  return { code, output: process.output };
}
