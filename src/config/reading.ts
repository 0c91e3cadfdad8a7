import { isAppsDocument, readApps } from "./apps.ts";
import { runAtOnce, runInSlices, type Steps } from "../core/slices.ts";
import { buildConfig } from "./build.ts";
import type { Config } from "./config.ts";
import { checkDocument } from "./rules/document.ts";
import { type ErrorFile, readErrorFiles } from "./error_files.ts";
import { type FileFault, fromFaults } from "./file_faults.ts";
import { type Finding, toProblems } from "./schema/findings.ts";
import { findLoops } from "./loops.ts";
import { LineMarks } from "./yaml/line_marks.ts";
import type { Path, Problem } from "./problem/problem.ts";
import { readDocumentSteps } from "./yaml/read_document.ts";
import { findReservedKeys } from "./schema/reserved_keys.ts";
import type { ConfigDocument } from "./schema/schema.ts";
import { validateDocument } from "./schema/validate_document.ts";
import { readTlsSections, type TlsSections } from "./tls_sections.ts";
import { findWarnings } from "./rules/warnings.ts";

/** Where the text of a configuration comes from. */
export interface ParseConfigOptions {
  /** What messages call the text, such as `proxy.yaml`. */
  readonly name: string;
  /** The folder that relative paths are relative to. It is not looked at. */
  readonly folder: string;
}

/** What a text has been found to say. */
interface Contents extends Pick<ConfigReading, "config" | "warnings" | "tls" | "errorFiles"> {
  readonly document: unknown;
  readonly findings: readonly Finding[];
}

/**
 * A configuration that has been read from a text and may be bad: what can be known of it before any of the files that
 * it names has been looked at. Immutable.
 */
export class ConfigReading {
  /** Absent: it is bad. */
  readonly config: Config | undefined;
  /** What needs attention in a good one, though it works; a sentence each. */
  readonly warnings: readonly string[];
  /** What names certificates, keys, CAs and CRLs; of a bad one, as much as is good by itself. */
  readonly tls: TlsSections;
  /** The pages of HTTP services for answers of the proxy itself; of a bad one, as much as is good by itself. */
  readonly errorFiles: readonly ErrorFile[];
  readonly #text: string;
  readonly #folder: string;
  readonly #document: unknown;
  readonly #findings: readonly Finding[];
  #marks: LineMarks | undefined;

  /**
   * Reads a configuration, in YAML or JSON: version 1, or the form of `config.json` with its apps. Reads no other
   * file, and binds and dials nothing.
   *
   * @throws {ConfigError} when the text is no YAML.
   */
  constructor(text: string, options: ParseConfigOptions & { readonly contents?: Contents }) {
    const { config, warnings, tls, errorFiles, document, findings } = options.contents ??
      runAtOnce(readSteps(text, options));
    this.config = config;
    this.warnings = warnings;
    this.tls = tls;
    this.errorFiles = errorFiles;
    this.#text = text;
    this.#folder = options.folder;
    this.#document = document;
    this.#findings = findings;
  }

  /** As the constructor, and lets the event loop go on between parsing, validating, checking and building. */
  static async read(text: string, options: ParseConfigOptions): Promise<ConfigReading> {
    const contents = await runInSlices(readSteps(text, options));
    return new ConfigReading(text, { ...options, contents });
  }

  /** The line of what stands at `path`, counted from 1; of the nearest enclosing key if that is unknown. */
  lineOf(path: Path): number | undefined {
    return (this.#marks ??= new LineMarks(this.#text, this.#document)).lineOf(path);
  }

  /** Whether anything stands at `path` in the document. */
  has(path: Path): boolean {
    let value = this.#document;
    for (const step of path) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return false;
      value = (value as Readonly<Record<string | number, unknown>>)[step];
    }
    return true;
  }

  /** Everything that is wrong, and with the files that it names too, in the order of the lines. */
  problems(faults: readonly FileFault[] = []): Problem[] {
    const findings = [
      ...this.#findings,
      ...fromFaults(faults, { document: this.#document, folder: this.#folder }),
    ];
    return toProblems(findings, new LineMarks(this.#text, this.#document));
  }
}

function* readSteps(text: string, { name, folder }: ParseConfigOptions): Steps<Contents> {
  const document = yield* readDocumentSteps(text, name);
  yield;
  const result = isAppsDocument(document)
    ? yield* readApps(document, folder)
    : yield* readVersion1(document, folder);
  yield;
  const reserved = yield* findReservedKeys(document);
  const good = "document" in result && reserved.length === 0 ? result.document : undefined;
  const config = good && buildConfig(good, folder);
  yield;
  const warnings = good && config ? [...findWarnings(good, folder), ...findLoops(config)] : [];
  yield;
  return {
    config,
    warnings,
    tls: readTlsSections(document, folder),
    errorFiles: readErrorFiles(document, folder),
    document,
    findings: [...("findings" in result ? result.findings : []), ...reserved],
  };
}

function* readVersion1(
  document: unknown,
  folder: string,
): Steps<{ document: ConfigDocument } | { findings: Finding[] }> {
  const { output, findings } = yield* validateDocument(document);
  findings.push(...yield* checkDocument(document, folder));
  return findings.length === 0 ? { document: output } : { findings };
}
