import { resolve } from "node:path";
import type { AllowRule } from "../tls/authorize/rules.ts";

/** Rules whose `ca` is the path of a file, resolved. */
export function resolveRules(rules: readonly AllowRule[], folder: string): AllowRule[] {
  return rules.map((rule) => rule.ca === undefined ? rule : { ...rule, ca: resolve(folder, rule.ca) });
}

/** The files of CAs that rules are bound to. */
export function ruleAuthorityPaths(rules: readonly AllowRule[] = []): string[] {
  return rules.flatMap(({ ca }) => ca === undefined ? [] : [ca]);
}
