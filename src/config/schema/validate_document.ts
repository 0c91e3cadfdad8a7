import * as v from "valibot";
import type { Steps } from "../../core/slices.ts";
import type { Path } from "../problem/problem.ts";
import { type Field, isMapping, mappingOf, MAX_ITEMS } from "./fields.ts";
import { type Finding, fromIssues } from "./findings.ts";
import { route } from "./http_schema.ts";
import { type ConfigDocument, documentSchema, service } from "./schema.ts";
import { backend, upstream } from "./upstream_schema.ts";

/** What the schema makes of a value; of use if there are no findings. */
interface Validated<T> {
  readonly output: T;
  readonly findings: Finding[];
}

/** A value that is validated apart from the mapping that it is in. */
interface Part {
  /** A valid value that takes its place meanwhile. */
  readonly standIn: unknown;
  /** Whether a value is validated apart. */
  readonly isLarge: (value: unknown) => boolean;
  readonly validate: (value: never, path: Path) => Steps<Validated<unknown>>;
}

/** So many items of a list are validated at a time. */
const CHUNK = 100;

const UPSTREAM_PARTS = { backends: inChunks(backend, "127.0.0.1:1") };
const SERVICE_PARTS = {
  upstream: {
    standIn: "u",
    isLarge: isMapping,
    validate: (value: unknown, path: Path) => inParts(upstream, value, { path, parts: UPSTREAM_PARTS }),
  },
  routes: inChunks(route, { upstream: "u" }),
};
const DOCUMENT_PARTS = {
  upstreams: { standIn: {}, isLarge: isMapping, validate: validateUpstreams },
  services: {
    standIn: [{ name: "s", listen: ["127.0.0.1:0"], upstream: "u" }],
    isLarge: (value: unknown) => isList(value) && value.length > 0,
    validate: validateServices,
  },
};

/** Validates a document by {@linkcode documentSchema}, in steps, with the same result as that of the whole. */
export function* validateDocument(document: unknown): Steps<Validated<ConfigDocument>> {
  const result = yield* inParts(documentSchema, document, { path: [], parts: DOCUMENT_PARTS });
  return result as Validated<ConfigDocument>;
}

function* validateUpstreams(value: Readonly<Record<string, unknown>>, path: Path): Steps<Validated<unknown>> {
  const output: Record<string, unknown> = {};
  const findings: Finding[] = [];
  const names = mappingOf<unknown>(v.unknown(), "a mapping of upstreams by their names");
  for (const [name, each] of Object.entries(value)) {
    findings.push(...validate(names, { [name]: undefined }, { path }).findings);
    const result = yield* inParts(upstream, each, { path: [...path, name], parts: UPSTREAM_PARTS });
    findings.push(...result.findings);
    output[name] = result.output;
    yield;
  }
  return { output, findings };
}

function* validateServices(value: readonly unknown[], path: Path): Steps<Validated<unknown>> {
  const output: unknown[] = [];
  const findings: Finding[] = [];
  for (const [index, each] of value.entries()) {
    const result = yield* inParts(service, each, { path: [...path, index], parts: SERVICE_PARTS });
    findings.push(...result.findings);
    output.push(result.output);
    yield;
  }
  return { output, findings };
}

/** A long list of items. */
function inChunks<T>(item: Field<T>, standIn: unknown): Part {
  const items = v.array(item);
  return {
    standIn: [standIn],
    isLarge: (value) => isList(value) && value.length > CHUNK,
    *validate(value: readonly unknown[], path) {
      const output: T[] = [];
      const findings: Finding[] = [];
      for (let first = 0; first < value.length; first += CHUNK) {
        const result = validate(items, value.slice(first, first + CHUNK), { path, first });
        findings.push(...result.findings);
        output.push(...result.output ?? []);
        yield;
      }
      return { output, findings };
    },
  };
}

/** Validates the large ones of these parts of a mapping apart from it. */
function* inParts<T extends object>(
  field: Field<T>,
  value: unknown,
  { path, parts }: { path: Path; parts: Readonly<Record<string, Part>> },
): Steps<Validated<T | undefined>> {
  if (!isMapping(value)) return validate(field, value, { path });
  const large = Object.entries(parts).filter(([key, { isLarge }]) =>
    Object.hasOwn(value, key) && isLarge(value[key])
  );
  const standIns = Object.fromEntries(large.map(([key, { standIn }]) => [key, standIn]));
  const { output, findings } = validate(field, { ...value, ...standIns }, { path });
  for (const [key, part] of large) {
    const result = yield* part.validate(value[key] as never, [...path, key]);
    findings.push(...result.findings);
    if (output !== undefined) Object.assign(output, { [key]: result.output });
  }
  return { output, findings };
}

/** @param options.first The index of the first item of a list within the whole list. */
function validate<T>(
  field: Field<T>,
  value: unknown,
  { path, first = 0 }: { path: Path; first?: number },
): Validated<T | undefined> {
  const result = v.safeParse(field, value);
  const findings = fromIssues(result.issues ?? []).map((finding): Finding => {
    const [step, ...below] = finding.path;
    if (step === undefined) return { ...finding, path };
    return { ...finding, path: [...path, typeof step === "number" ? step + first : step, ...below] };
  });
  return { output: result.success ? result.output : undefined, findings };
}

/** Whether it is a list that the schema looks into. */
function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= MAX_ITEMS;
}
