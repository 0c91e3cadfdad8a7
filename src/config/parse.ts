import * as v from "valibot";
import { isAppsDocument, readApps } from "./apps.ts";
import { buildConfig } from "./build.ts";
import type { Config } from "./config.ts";
import { checkDocument } from "./document_checks.ts";
import { type Finding, fromIssues, toProblems } from "./findings.ts";
import { LineMarks } from "./line_marks.ts";
import { ConfigError } from "./problem.ts";
import { readDocument } from "./read_document.ts";
import { findReservedKeys } from "./reserved_keys.ts";
import { type ConfigDocument, documentSchema } from "./schema.ts";

/** Where the text of a configuration comes from. */
export interface ParseConfigOptions {
  /** What messages call the text, such as `proxy.yaml`. */
  readonly name: string;
  /** The folder that relative paths are relative to. It is not looked at. */
  readonly folder: string;
}

/**
 * Reads a configuration, in YAML or JSON: version 1, or the form of `config.json` with its apps. Reads no other
 * file, and binds and dials nothing.
 *
 * @throws {ConfigError} With everything that is wrong, in one go. Nothing else, whatever the text.
 */
export function parseConfig(text: string, { name, folder }: ParseConfigOptions): Config {
  const document = readDocument(text, name);
  const result = isAppsDocument(document) ? readApps(document, folder) : readVersion1(document, folder);
  const reserved = findReservedKeys(document);
  if ("document" in result && reserved.length === 0) return buildConfig(result.document, folder);
  const findings = [...("findings" in result ? result.findings : []), ...reserved];
  throw new ConfigError(name, toProblems(findings, new LineMarks(text, document)));
}

function readVersion1(
  document: unknown,
  folder: string,
): { document: ConfigDocument } | { findings: Finding[] } {
  const result = v.safeParse(documentSchema, document);
  const findings = [...fromIssues(result.issues ?? []), ...checkDocument(document, folder)];
  return result.success && findings.length === 0 ? { document: result.output } : { findings };
}
