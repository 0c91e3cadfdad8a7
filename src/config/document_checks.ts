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
    ...services.flatMap((service) => checkNames(service, names)),
    ...services.flatMap(checkTrusted),
    ...services.flatMap(checkServiceTls),
    ...[...named.entries(), ...inPlace].flatMap((upstream) => checkUpstream(upstream, folder)),
  ];
}

function checkReference(service: Place, names: ReadonlySet<string>): Finding[] {
  const upstream = service.at("upstream");
  const { path, value } = upstream;
  if (typeof value === "string") return checkUpstreamName(upstream, names);
  if (value === undefined && isMapping(service.value) && service.at("sni").value === undefined) {
    return [{
      kind: "missing",
      path,
      value: undefined,
      expected: "the name of an upstream, or an upstream written in place",
    }];
  }
  const name = service.at("name");
  if (!isMapping(value) || typeof name.value !== "string" || !names.has(name.value)) return [];
  const expected = "a name that no upstream has (the one that is written in place takes it)";
  return [{ kind: "bad_value", ...name, expected }];
}

function checkUpstreamName({ path, value }: Place, names: ReadonlySet<string>): Finding[] {
  if (typeof value !== "string" || names.has(value)) return [];
  const expected = "the name of one of the upstreams";
  return [withNearest({ kind: "bad_value", path, value, expected }, [...names])];
}

/** Every name leads to an upstream, and none is there twice (case does not matter in names). */
function checkNames(service: Place, names: ReadonlySet<string>): Finding[] {
  const sni = service.at("sni");
  const patterns = sni.keys().map((key) => {
    const { path } = sni.at(key);
    return { path, value: key, as: key.toLowerCase() };
  });
  return [
    ...findRepeats(patterns, "a name of its own"),
    ...sni.entries().flatMap((place) => checkUpstreamName(place, names)),
  ];
}

/** Who may send a PROXY header names any client it likes: it must be said who that is. */
function checkTrusted(service: Place): Finding[] {
  const { path, value } = service.at("trusted");
  const someone = Array.isArray(value) && value.length > 0;
  if (service.at("proxyProtocol").value !== true || someone) return [];
  const expected = "the addresses and subnets of those who may send a PROXY header";
  return [
    value === undefined
      ? { kind: "missing", path, value: undefined, expected }
      : { kind: "bad_value", path, value, expected },
  ];
}

function checkUpstream(upstream: Place, folder: string): Finding[] {
  const addresses = upstream.at("backends").items().map((backend) => backend.at("address"));
  return [
    ...findBackendClashes(addresses.flatMap((place) => place.address(folder))),
    ...checkPool(upstream.at("pool")),
    ...checkUpstreamTls(upstream),
  ];
}

function checkServiceTls(service: Place): Finding[] {
  const tls = service.at("tls");
  const findings: Finding[] = [];
  const clash = (place: Place, expected: string) => findings.push({ kind: "bad_value", ...place, expected });
  if (tls.at("minVersion").value === "1.3" && tls.at("maxVersion").value === "1.2") {
    clash(tls.at("minVersion"), "a version that is not above maxVersion");
  }
  if (tls.at("native").value === true) findings.push(...checkNative(service));
  if (tls.value !== undefined && service.at("sni").value !== undefined) {
    clash(service.at("sni"), "either tls or sni: what is passed on by its name is not decrypted");
  }
  return findings;
}

/** The runtime's own TLS can do less. */
function checkNative(service: Place): Finding[] {
  const tls = service.at("tls");
  const unable: [Place, boolean][] = [
    [tls.at("clientAuth"), tls.at("clientAuth").value !== undefined],
    [tls.at("minVersion"), tls.at("minVersion").value === "1.3"],
    [tls.at("maxVersion"), tls.at("maxVersion").value === "1.2"],
    [service.at("proxyProtocol"), service.at("proxyProtocol").value === true],
  ];
  const expected = "nothing that tls.native can't do";
  return unable.filter(([, asked]) => asked).map(([place]) => ({ kind: "bad_value", ...place, expected }));
}

function checkUpstreamTls(upstream: Place): Finding[] {
  const tls = upstream.at("tls");
  if (!isMapping(tls.value)) return [];
  const [cert, key] = [tls.at("cert"), tls.at("key")];
  const findings: Finding[] = [];
  if (cert.value !== undefined && key.value === undefined) {
    findings.push({ kind: "missing", ...key, expected: "the key of cert" });
  }
  if (key.value !== undefined && cert.value === undefined) {
    findings.push({ kind: "missing", ...cert, expected: "the certificate of key" });
  }
  const verify = tls.at("verify");
  if (verify.value === false && tls.at("allow").value !== undefined) {
    const expected = "true, where allow says whose certificates will do";
    findings.push({ kind: "bad_value", ...verify, expected });
  }
  const backends = upstream.at("backends").items().map((backend) => backend.at("address").value);
  const isUnix = backends.some((address) => typeof address === "string" && address.startsWith("unix:"));
  const named = tls.at("serverName").value ?? tls.at("allow").value;
  if (isUnix && named === undefined && tls.at("verify").value !== false) {
    const expected = "a name, which a unix socket does not have, or allow";
    findings.push({ kind: "missing", ...tls.at("serverName"), expected });
  }
  const proxy = upstream.at("proxyProtocol");
  if (proxy.value === "v1" || proxy.value === "v2") {
    findings.push({ kind: "bad_value", ...proxy, expected: "none, where tls is spoken with the backends" });
  }
  return findings;
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
