import type { Config, HttpServiceConfig } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { ConfigError } from "../../src/config/problem/problem.ts";
import { ConfigReading } from "../../src/config/reading.ts";

const OPTIONS = { name: "proxy.yaml", folder: "/etc/culvert" };

/** A configuration with one HTTP service, with these keys. They begin in the first column. */
export function httpWith(keys: string, top = ""): string {
  return `version: 1
${top}
upstreams:
  app: {backends: ["10.0.0.1:80"]}
services:
  - name: web
    protocol: http
    listen: [":8080"]
${keys.replaceAll(/^(?=.)/gm, "    ")}
`;
}

/** What the configuration is. */
export function parseHttp(text: string): Config {
  return parseConfig(text, OPTIONS);
}

/** What the first service does. */
export function httpOf(text: string): HttpServiceConfig {
  return parseHttp(text).services[0]!.http!;
}

/** What needs attention. */
export function warningsOf(text: string): readonly string[] {
  return new ConfigReading(text, OPTIONS).warnings;
}

/** Everything that is wrong, without the name of the file and the line. */
export function problemsOf(text: string): string[] {
  return linesOf(text).map((line) => line.replace(/^:\d+: /, ""));
}

/** Everything that is wrong, without the name of the file. */
export function linesOf(text: string): string[] {
  try {
    parseHttp(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n").map((line) => line.replace(/^proxy\.yaml/, ""));
  }
}
