import { resolve } from "node:path";
import type { PolicyTest } from "./config.ts";
import type { PolicyTestSection } from "./schema/policy_test_schema.ts";

/** Makes a policy test of a section that has been found good. Relative paths are relative to `folder`. */
export function buildPolicyTest(section: PolicyTestSection, folder: string): PolicyTest {
  const { cert, sni, method = "GET", url, ...rest } = section;
  return {
    ...rest,
    ...(cert === undefined ? {} : { certPath: resolve(folder, cert) }),
    ...(sni === undefined ? {} : { serverName: sni }),
    ...(url === undefined ? {} : { request: { method, url } }),
  };
}
