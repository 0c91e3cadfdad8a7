import { findBackendClashes, findBadPaths, findOverlaps, findRepeats } from "./checks.ts";
import { isMapping } from "./fields.ts";
import { type Finding, withNearest } from "./findings.ts";
import { Place } from "./place.ts";
import { DEFAULT_POOL } from "../upstream/options.ts";

/**
 * What is wrong between the values of a document of version 1: names that refer to nothing or repeat, listeners
 * and backends on one address, bounds that contradict each other.
 *
 * It reads the document as it stands, not what the schema made of it, and passes over what has the wrong shape,
 * so that one problem does not hide another.
 */
export function checkDocument(document: unknown, folder: string): Finding[] {
  const root = new Place([], document);
  const services = root.at("services").items();
  const named = root.at("upstreams");
  const names = new Set(named.keys());
  const inPlace = services.map((service) => service.at("upstream")).filter(({ value }) => isMapping(value));
  const listeners = services.flatMap((service) => service.at("listen").items())
    .flatMap((place) => place.address(folder));
  return [
    ...findRepeats(services.flatMap((service) => service.at("name").text()), "a name of its own"),
    ...findOverlaps(listeners),
    ...findBadPaths(listeners),
    ...services.flatMap((service) => checkReference(service, names)),
    ...[...named.entries(), ...inPlace].flatMap((upstream) => checkUpstream(upstream, folder)),
  ];
}

function checkReference(service: Place, names: ReadonlySet<string>): Finding[] {
  const { path, value } = service.at("upstream");
  if (typeof value === "string" && !names.has(value)) {
    const expected = "the name of one of the upstreams";
    return [withNearest({ kind: "bad_value", path, value, expected }, [...names])];
  }
  const name = service.at("name");
  if (!isMapping(value) || typeof name.value !== "string" || !names.has(name.value)) return [];
  const expected = "a name that no upstream has (the one that is written in place takes it)";
  return [{ kind: "bad_value", ...name, expected }];
}

function checkUpstream(upstream: Place, folder: string): Finding[] {
  const addresses = upstream.at("backends").items().map((backend) => backend.at("address"));
  return [
    ...findBackendClashes(addresses.flatMap((place) => place.address(folder))),
    ...checkPool(upstream.at("pool")),
  ];
}

function checkPool(pool: Place): Finding[] {
  const read = (key: keyof typeof DEFAULT_POOL): number => {
    const { value = DEFAULT_POOL[key] } = pool.at(key);
    return typeof value === "number" ? value : NaN;
  };
  const [minIdle, maxIdle, maxOpen] = [read("minIdle"), read("maxIdle"), read("maxOpen")];
  const tooMany = (limit: string): Finding[] => [
    { kind: "bad_value", ...pool.at("minIdle"), value: minIdle, expected: `at most ${limit}` },
  ];
  if (minIdle > maxIdle) return tooMany(`maxIdle, which is ${maxIdle}`);
  return maxOpen > 0 && minIdle > maxOpen ? tooMany(`maxOpen, which is ${maxOpen}`) : [];
}
