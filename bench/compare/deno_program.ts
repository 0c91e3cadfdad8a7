import { type Bench, LOAD_CORE } from "./types.ts";
import type { ProgramSpec } from "./process.ts";

/** A script of this folder as a program on the load's core; it may read what is in the run's directory. */
export function denoProgram(
  script: string,
  { args, bench }: { args: readonly (string | number)[]; bench: Bench },
): ProgramSpec {
  const path = new URL(script, import.meta.url).pathname;
  const flags = ["run", "--allow-net=127.0.0.1", `--allow-read=${bench.directory}`];
  return {
    program: Deno.execPath(),
    args: [...flags, path, ...args.map(String)],
    core: LOAD_CORE,
    signal: bench.signal,
  };
}
