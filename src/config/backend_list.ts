import * as v from "valibot";
import { runAtOnce } from "../core/slices.ts";
import type { BackendSpec } from "../upstream/options.ts";
import { buildBackend } from "./build_upstream.ts";
import { findBackendClashes } from "./rules/conflicts.ts";
import { type Field, list } from "./schema/fields.ts";
import { fromIssues, toProblems } from "./schema/findings.ts";
import { LineMarks } from "./yaml/line_marks.ts";
import { DocumentNode } from "./rules/document_node.ts";
import { ConfigError } from "./problem/problem.ts";
import { readDocument } from "./yaml/read_document.ts";
import { findReservedKeys } from "./schema/reserved_keys.ts";
import { addressesIn } from "./rules/upstream.ts";
import { backend } from "./schema/upstream_schema.ts";

/** What a list of backends is called in messages, and what paths of unix sockets are relative to. */
export interface BackendListOptions {
  readonly name: string;
  readonly folder: string;
}

const backendList = list(backend, "a list of backends, each an address or a mapping with one");

/**
 * Reads a list of backends, in YAML or JSON, such as that of a file that is watched. It may be empty; no address may be
 * there twice.
 *
 * @throws {ConfigError} with all problems.
 */
export function parseBackendList(text: string, options: BackendListOptions): BackendSpec[] {
  const document = readDocument(text, options.name);
  return readList(document, { ...options, marks: () => new LineMarks(text, document) });
}

/** As {@linkcode parseBackendList}, of a value that has been parsed already. */
export function readBackendList(value: unknown, options: BackendListOptions): BackendSpec[] {
  return readList(value, { ...options, marks: () => new LineMarks("", value) });
}

/**
 * Reads one backend of a value that has been parsed already.
 *
 * @throws {ConfigError} with all problems.
 */
export function readBackend(value: unknown, options: BackendListOptions): BackendSpec {
  const marks = () => new LineMarks("", value);
  const section = read(backend, value, { ...options, marks, backends: [new DocumentNode([], value)] });
  return buildBackend(section, options.folder);
}

interface ListOptions extends BackendListOptions {
  /** Made for bad ones alone: it takes as long as all the rest. */
  readonly marks: () => LineMarks;
}

function readList(value: unknown, options: ListOptions): BackendSpec[] {
  const backends = new DocumentNode([], value).items();
  return read(backendList, value, { ...options, backends }).map((each) => buildBackend(each, options.folder));
}

/** Looks at the same things as are looked at in a configuration. */
function read<T>(
  field: Field<T>,
  value: unknown,
  options: ListOptions & { backends: readonly DocumentNode[] },
): T {
  const { name, folder, marks, backends } = options;
  const result = v.safeParse(field, value);
  const findings = [
    ...fromIssues(result.issues ?? []),
    ...runAtOnce(findBackendClashes(addressesIn(backends, folder))),
    ...runAtOnce(findReservedKeys(value)),
  ];
  if (result.success && findings.length === 0) return result.output;
  throw new ConfigError(name, toProblems(findings, marks()));
}
