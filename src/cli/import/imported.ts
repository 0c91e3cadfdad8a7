import { stringify } from "@std/yaml";
import { escapeText } from "../../core/escape_text.ts";

/** What an importer makes of the configuration of another program. */
export interface Imported {
  /** Upstreams by their names, as the configuration has them. */
  readonly upstreams: Record<string, Record<string, unknown>>;
  readonly services: Record<string, unknown>[];
  /** What could not be carried over, and why: `file:line: setting: reason`. */
  readonly notes: string[];
}

/** An empty one. */
export function newImported(): Imported {
  return { upstreams: {}, services: [], notes: [] };
}

/** The configuration as text. What could not be carried over stands in comments in front of it. */
export function importedText(
  { upstreams, services, notes }: Imported,
  { from }: { from: string },
): string {
  const head = notes.length === 0
    ? [`# Made from ${from}. Everything was carried over.`]
    : [`# Made from ${from}. This could not be carried over:`, ...notes.map((note) => `# - ${note}`)];
  const document = stringify({ version: 1, upstreams, services }, { lineWidth: 120 });
  return `${head.map(escapeText).join("\n")}\n${document}`;
}
