import { assertEquals } from "@std/assert";
import type { DiscoveryStatus } from "../../src/admin/status/upstream.ts";
import { ADMIN_HEAD, type AdminClient } from "./admin_client.ts";
import type { Culvert } from "./program.ts";
import { proxyConfig } from "./proxy_config.ts";
import { until } from "./wait.ts";

/** What an upstream that discovers its backends is asked to do. */
export interface DiscoveringConfig {
  /** Where they come from, as YAML: `{file: backends.yaml}`. */
  readonly discover: string;
  /** Those that are listed. @default none */
  readonly backends?: readonly string[];
  /** More keys of the upstream: `onRemove: drain`. */
  readonly upstream?: string;
}

/** A configuration with an admin listener and one service in front of an upstream that discovers its backends. */
export function discoveringConfig({ discover, backends = [], upstream }: DiscoveringConfig): string {
  const keys = upstream === undefined ? "" : `, ${upstream}`;
  return proxyConfig({ backends, upstream: `discover: ${discover}${keys}`, head: ADMIN_HEAD })
    .replace(", backends: []", ""); // A list that is there must not be empty.
}

/** Resolves when the backends of `main` are at these addresses, in whatever order. */
export async function untilSet(admin: AdminClient, addresses: readonly string[]): Promise<void> {
  const expected = addresses.toSorted().join(" ");
  let last = "";
  await until(async () => (last = [...(await admin.backends()).keys()].toSorted().join(" ")) === expected, {
    what: `the set ${expected}`,
    context: () => `it is ${last}`,
  });
}

/** How the only source of `main` is. */
export async function sourceOf(admin: AdminClient): Promise<DiscoveryStatus> {
  const { discovery } = await admin.upstream();
  if (discovery?.length !== 1) throw new Error(`not one source: ${JSON.stringify(discovery)}`);
  return discovery[0]!;
}

/** Resolves when the only source of `main` is in a state. */
export async function untilSource(
  admin: AdminClient,
  state: DiscoveryStatus["state"],
): Promise<DiscoveryStatus> {
  let source: DiscoveryStatus | undefined;
  await until(async () => (source = await sourceOf(admin)).state === state, {
    what: `the source to be ${state}`,
    context: () => JSON.stringify(source),
  });
  return source!;
}

/**
 * As `finishChecked`, for a program that follows etcd: it may have asked meanwhile whether its watch tells everything,
 * and keeps the connection for that.
 */
export async function finishFollowing(
  culvert: Culvert,
  { admin, resting }: { admin: AdminClient; resting: number },
): Promise<void> {
  await until(async () => (await admin.status()).services[0]!.active === 0, { what: "no connection" });
  await until(() => culvert.descriptors() <= resting + 1, {
    what: `${resting} open descriptors, or one more`,
    context: () => `${culvert.descriptors()} are open\n${culvert.stderr.slice(-3000)}`,
  });
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  assertEquals((await culvert.waitFor({ message: "draining" })).connections, 0);
  assertEquals(culvert.found({ level: "ERROR" }), []);
}
