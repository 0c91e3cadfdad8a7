import * as v from "valibot";
import { formatAddress } from "../net/address.ts";
import type { BackendSpec } from "../upstream/backend.ts";
import { buildBackend } from "./build_upstream.ts";
import { type Field, list } from "./fields.ts";
import { fromIssues, toProblems } from "./findings.ts";
import { LineMarks } from "./line_marks.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { readDocument } from "./read_document.ts";
import { backend } from "./upstream_schema.ts";

/** What a list of backends is called in messages, and what paths of unix sockets are relative to. */
export interface BackendListOptions {
  readonly name: string;
  readonly folder: string;
}

const backendList = list(backend, "a list of backends, each an address or a mapping with one");

/**
 * Reads a list of backends, in YAML or JSON, such as that of a file that is watched. It may be empty.
 *
 * @throws {ConfigError} with everything that is wrong, in one go.
 */
export function parseBackendList(text: string, options: BackendListOptions): BackendSpec[] {
  const document = readDocument(text, options.name);
  return read(backendList, document, options, new LineMarks(text, document))
    .map((section) => buildBackend(section, options.folder));
}

/** As {@linkcode parseBackendList}, of a value that has been parsed already, and in which no address is there twice. */
export function readBackendList(value: unknown, options: BackendListOptions): BackendSpec[] {
  const backends = read(backendList, value, options).map((section) => buildBackend(section, options.folder));
  const seen = new Set<string>();
  const problems = backends.flatMap(({ address }, index): Problem[] => {
    const key = formatAddress(address);
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    const expected = "an address that no other backend has";
    return [{ kind: "bad_value", path: `[${index}]`, value: JSON.stringify(key), expected }];
  });
  if (problems.length > 0) throw new ConfigError(options.name, problems);
  return backends;
}

/**
 * Reads one backend of a value that has been parsed already.
 *
 * @throws {ConfigError} with everything that is wrong, in one go.
 */
export function readBackend(value: unknown, options: BackendListOptions): BackendSpec {
  return buildBackend(read(backend, value, options), options.folder);
}

function read<T>(
  field: Field<T>,
  value: unknown,
  { name }: BackendListOptions,
  marks = new LineMarks("", value),
): T {
  const result = v.safeParse(field, value);
  if (result.success) return result.output;
  throw new ConfigError(name, toProblems(fromIssues(result.issues), marks));
}
