import { dirname } from "node:path";
import type { ConfigSource } from "../app/config_source.ts";
import { formatPermissions, type PermissionNeed } from "../config/required_permissions.ts";
import { CulvertError } from "../core/errors.ts";

/** What the configuration asks for is not permitted. The message names the flags that are missing. */
export class MissingPermissionError extends CulvertError {
  override name = "MissingPermissionError";

  constructor(missing: PermissionNeed) {
    super("permission_missing", `Cannot run: a permission is missing; add ${formatPermissions(missing)}`);
  }
}

/**
 * Sees to it that all of this is permitted. With `ask`, where there is a terminal, the runtime asks for what is not;
 * everything stands still until there is an answer.
 *
 * @throws {MissingPermissionError} naming everything that is not permitted, at once.
 */
export async function requirePermissions(need: PermissionNeed, options: { ask: boolean }): Promise<void> {
  const ask = options.ask && Deno.stdin.isTerminal();
  const missing = {
    net: await denied(need.net.map((host) => [host, { name: "net", host }]), ask),
    read: await denied(need.read.map((path) => [path, { name: "read", path }]), ask),
    write: await denied(need.write.map((path) => [path, { name: "write", path }]), ask),
    ffi: await missingLibrary(need.ffi ?? [], ask),
  };
  if (Object.values(missing).some((values) => values.length > 0)) throw new MissingPermissionError(missing);
}

/** One of these is enough; the first is asked for. */
async function missingLibrary(paths: readonly string[], ask: boolean): Promise<readonly string[]> {
  for (const path of paths) {
    if ((await Deno.permissions.query({ name: "ffi", path })).state === "granted") return [];
  }
  return await denied(paths.slice(0, 1).map((path) => [path, { name: "ffi", path }]), ask);
}

/** What reading a configuration needs. */
export function readNeed(source: ConfigSource): PermissionNeed {
  return { net: [], read: source.path === undefined ? [] : [source.path], write: [] };
}

/** What to read when changes of `files` are to be noticed: their folders in the place of them. */
export function watchedReads(read: readonly string[], files: ReadonlySet<string>): string[] {
  return [...new Set(read.map((path) => files.has(path) ? dirname(path) : path))];
}

async function denied(wanted: [string, Deno.PermissionDescriptor][], ask: boolean): Promise<string[]> {
  const missing: string[] = [];
  for (const [value, descriptor] of wanted) {
    let { state } = await Deno.permissions.query(descriptor);
    if (state === "prompt" && ask) ({ state } = await Deno.permissions.request(descriptor));
    if (state !== "granted") missing.push(value);
  }
  return missing;
}
