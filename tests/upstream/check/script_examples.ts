import { parse } from "@std/yaml";
import { type Dial, dial as plainDial } from "../../../src/net/dial.ts";
import type { Address } from "../../../src/net/address.ts";
import { CheckFailedError } from "../../../src/upstream/check/check.ts";
import { ScriptCheck } from "../../../src/upstream/check/script_check.ts";
import type { ScriptStep } from "../../../src/upstream/check/script_steps.ts";
import { NEVER } from "./check_fixture.ts";

const PAGE = new URL("../../../docs/health_checks.md", import.meta.url);

/** The script that stands under a heading of the page about health checks. */
export function example(heading: string): readonly ScriptStep[] {
  const [, section] = Deno.readTextFileSync(PAGE).split(`\n### ${heading}\n`);
  const block = /```yaml\n([^]*?)```/.exec(section ?? "")?.[1];
  if (block === undefined) throw new Error(`there is no example for ${heading}`);
  const { health } = parse(block) as { health: { type: string; script: ScriptStep[] } };
  if (health.type !== "script") throw new Error(`the example for ${heading} is no script`);
  return health.script;
}

/** Runs a script; what it has seen, good or not. */
export async function tryScript(
  steps: readonly ScriptStep[],
  to: { port: number; dial?: Dial; signal?: AbortSignal },
): Promise<string> {
  const { port, dial = plainDial, signal = NEVER } = to;
  const address: Address = { kind: "tcp", host: "127.0.0.1", port };
  try {
    return (await new ScriptCheck({ dial, steps }).run(address, signal)).detail;
  } catch (error) {
    if (!(error instanceof CheckFailedError)) throw error;
    return error.message;
  }
}
