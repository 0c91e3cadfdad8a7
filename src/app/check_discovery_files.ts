import { dirname } from "node:path";
import { parseBackendList } from "../config/backend_list.ts";
import type { Config, UpstreamConfig } from "../config/config.ts";
import { describeError } from "../core/errors.ts";

/**
 * Looks at the other files that discovery would read: lists of backends, and passwords. What is wrong with them is
 * no fault of the configuration, as they may come later: a sentence each. Files that may not be read are passed over.
 */
export async function checkDiscoveryFiles(config: Config): Promise<string[]> {
  const warnings = await Promise.all([...config.upstreams.values()].map(lookAt));
  return warnings.flat();
}

async function lookAt({ name, discover }: UpstreamConfig): Promise<string[]> {
  const { filePath, etcd } = discover ?? {};
  const faults = [
    [
      "discover.file",
      await faultOf(filePath, (text, path) => parseBackendList(text, { name: path, folder: dirname(path) })),
    ],
    ["discover.etcd.passwordFile", await faultOf(etcd?.passwordPath)],
  ];
  return faults.flatMap(([key, fault]) => fault === undefined ? [] : [`upstream ${name}: ${key}: ${fault}`]);
}

async function faultOf(
  path: string | undefined,
  check?: (text: string, path: string) => unknown,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  if ((await Deno.permissions.query({ name: "read", path })).state !== "granted") return undefined;
  try {
    const text = await Deno.readTextFile(path);
    check?.(text, path);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `cannot read "${path}": no such file`;
    return `cannot use "${path}": ${describeError(error).replaceAll("\n", "; ")}`;
  }
}
