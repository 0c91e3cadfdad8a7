import type { ConfigSource } from "../app/config_source.ts";
import { formatPermissions, type PermissionNeed } from "../config/permissions.ts";
import { CulvertError } from "../core/errors.ts";

/** What the configuration asks for is not permitted. The message names the flags that are missing. */
export class MissingPermissionError extends CulvertError {
  override name = "MissingPermissionError";

  constructor(missing: PermissionNeed) {
    super("permission_missing", `Cannot run: a permission is missing; add ${formatPermissions(missing)}`);
  }
}

/**
 * Sees to it that all of this is permitted. Where there is a terminal the runtime asks for what is not.
 *
 * @throws {MissingPermissionError} naming everything that is not permitted, at once.
 */
export async function requirePermissions(need: PermissionNeed): Promise<void> {
  const missing = {
    net: await denied(need.net, (host) => ({ name: "net", host })),
    read: await denied(need.read, (path) => ({ name: "read", path })),
    write: await denied(need.write, (path) => ({ name: "write", path })),
  };
  if (missing.net.length + missing.read.length + missing.write.length > 0) {
    throw new MissingPermissionError(missing);
  }
}

/** What reading a configuration needs. */
export function readNeed(source: ConfigSource): PermissionNeed {
  return { net: [], read: source.path === undefined ? [] : [source.path], write: [] };
}

async function denied(
  values: readonly string[],
  describe: (value: string) => Deno.PermissionDescriptor,
): Promise<string[]> {
  const missing: string[] = [];
  const ask = Deno.stdin.isTerminal();
  for (const value of values) {
    const descriptor = describe(value);
    let { state } = await Deno.permissions.query(descriptor);
    if (state === "prompt" && ask) ({ state } = await Deno.permissions.request(descriptor));
    if (state !== "granted") missing.push(value);
  }
  return missing;
}
