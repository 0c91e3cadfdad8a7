import type { Config } from "./config.ts";
import { ConfigError } from "./problem/problem.ts";
import { ConfigReading, type ParseConfigOptions } from "./reading.ts";

/**
 * Reads a configuration, in YAML or JSON: version 1, or the form of `config.json` with its apps. Reads no other
 * file, and binds and dials nothing.
 *
 * @throws {ConfigError} With all problems. Nothing else, whatever the text.
 */
export function parseConfig(text: string, options: ParseConfigOptions): Config {
  const reading = new ConfigReading(text, options);
  if (reading.config !== undefined) return reading.config;
  throw new ConfigError(options.name, reading.problems());
}
