import { checkClientAuth } from "./client_auth.ts";
import { findBadPaths, findOverlaps, findRepeats } from "./conflicts.ts";
import type { Steps } from "../../core/slices.ts";
import { isAdminAddress } from "../../net/loopback.ts";
import { isMapping } from "../schema/fields.ts";
import { type Finding, withNearest } from "../schema/findings.ts";
import { DocumentNode } from "./document_node.ts";
import { checkProtocol, isHttp } from "./http.ts";
import { checkPolicyTests } from "./policy_tests.ts";
import { checkUpstream, checkVersions } from "./upstream.ts";

/**
 * What is wrong between the values of a document of version 1: names that refer to nothing or repeat, listeners
 * and backends on one address, bounds that contradict each other.
 *
 * It reads the document as it stands, not what the schema made of it, and passes over what has the wrong shape,
 * so that one problem does not hide another.
 */
export function* checkDocument(document: unknown, folder: string): Steps<Finding[]> {
  const root = new DocumentNode([], document);
  const services = root.at("services").items();
  const named = root.at("upstreams");
  const names = new Set(named.keys());
  const inPlace = services.map((service) => service.at("upstream")).filter(({ value }) => isMapping(value));
  const listeners = [
    ...services.flatMap((service) => service.at("listen").items()),
    root.at("admin").at("listen"),
  ]
    .flatMap((place) => place.listener(folder));
  yield;
  const findings = [
    ...findRepeats(services.flatMap((service) => service.at("name").text()), "a name of its own"),
    ...findOverlaps(listeners),
    ...findBadPaths(listeners),
    ...checkPolicyTests(root.at("tests"), services),
  ];
  for (const service of services) {
    yield;
    findings.push(
      ...checkProtocol(service, named),
      ...checkReference(service, names),
      ...checkNames(service, names),
      ...checkTrusted(service, folder),
      ...checkServiceTls(service),
      ...checkStartTls(service, named),
      ...checkCrls(service.at("tls").at("clientAuth")),
    );
  }
  findings.push(...checkAdmin(root.at("admin"), folder));
  for (const upstream of [...named.entries(), ...inPlace]) {
    yield;
    findings.push(...yield* checkUpstream(upstream, folder));
  }
  return findings;
}

function checkReference(service: DocumentNode, names: ReadonlySet<string>): Finding[] {
  const upstream = service.at("upstream");
  const { path, value } = upstream;
  if (typeof value === "string") return checkUpstreamName(upstream, names);
  if (value === undefined && isHttp(service)) return [];
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

function checkUpstreamName({ path, value }: DocumentNode, names: ReadonlySet<string>): Finding[] {
  if (typeof value !== "string" || names.has(value)) return [];
  const expected = "the name of one of the upstreams";
  return [withNearest({ kind: "bad_value", path, value, expected }, [...names])];
}

/** Every name leads to an upstream, and none is there twice (case does not matter in names). */
function checkNames(service: DocumentNode, names: ReadonlySet<string>): Finding[] {
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

/** A PROXY header may name any client, so its senders must be configured. */
function checkTrusted(service: DocumentNode, folder: string): Finding[] {
  const proxyProtocol = service.at("proxyProtocol");
  if (proxyProtocol.value !== true) return [];
  const listeners = service.at("listen").items();
  const onUnix = (place: DocumentNode) => place.listener(folder).some(({ as }) => as.kind === "unix");
  if (listeners.length > 0 && listeners.every(onUnix)) {
    const expected = "false, where all listen addresses are unix sockets: trusted covers no client of one";
    return [{ kind: "bad_value", ...proxyProtocol, expected }];
  }
  const { path, value } = service.at("trusted");
  if (Array.isArray(value) && value.length > 0) return [];
  const expected = "the addresses and subnets that may send a PROXY header";
  return [
    value === undefined
      ? { kind: "missing", path, value: undefined, expected }
      : { kind: "bad_value", path, value, expected },
  ];
}

function checkServiceTls(service: DocumentNode): Finding[] {
  const tls = service.at("tls");
  const findings = checkVersions(tls);
  const clash = (place: DocumentNode, expected: string) =>
    findings.push({ kind: "bad_value", ...place, expected });
  if (tls.at("native").value === true) findings.push(...checkNative(service));
  findings.push(...checkClientAuth(tls.at("clientAuth")));
  if (tls.value !== undefined && service.at("sni").value !== undefined) {
    clash(service.at("sni"), "either tls or sni: what is passed on by its name is not decrypted");
  }
  return findings;
}

/** Settings of CRLs alone would make believe that revocation is checked. */
function checkCrls(clientAuth: DocumentNode): Finding[] {
  const crl = clientAuth.at("crl");
  const keys = ["crlCheck", "crlMaxAge"].filter((key) => clientAuth.at(key).value !== undefined);
  const ofDomains = clientAuth.at("trustDomains").entries().map((domain) => domain.at("crl"));
  if (keys.length === 0 || [crl, ...ofDomains].some(({ value }) => value !== undefined)) return [];
  return [{
    kind: "missing",
    ...crl,
    expected: `the files or folders of CRLs that ${keys.join(" and ")} is for`,
  }];
}

/** The runtime's own TLS can do less. */
function checkNative(service: DocumentNode): Finding[] {
  const tls = service.at("tls");
  const unable: [DocumentNode, boolean, able: string][] = [
    [tls.at("clientAuth"), tls.at("clientAuth").value !== undefined, "no clientAuth"],
    [tls.at("minVersion"), isVersion(tls.at("minVersion"), "1.3"), 'minVersion "1.2"'],
    [tls.at("maxVersion"), isVersion(tls.at("maxVersion"), "1.2"), 'maxVersion "1.3"'],
    [tls.at("starttls"), tls.at("starttls").value !== undefined, "no starttls"],
    [service.at("proxyProtocol"), service.at("proxyProtocol").value === true, "proxyProtocol: false"],
  ];
  return unable.filter(([, asked]) => asked).map(([place, , able]) => {
    return { kind: "bad_value", ...place, expected: `${able} together with tls.native: true` };
  });
}

/** The protocol in which TLS is asked for is the one that is spoken on both sides. */
function checkStartTls(service: DocumentNode, upstreams: DocumentNode): Finding[] {
  const [starttls, sni] = [service.at("tls").at("starttls"), service.at("sni")];
  const upstreamOf = (place: DocumentNode) =>
    typeof place.value === "string" ? upstreams.at(place.value) : isMapping(place.value) ? place : undefined;
  const findings: Finding[] = [];
  for (const place of [service.at("upstream"), ...sni.entries()]) {
    const tls = upstreamOf(place)?.at("tls");
    const spoken = tls?.at("starttls").value;
    if (spoken === undefined) {
      // The server's greeting must be there before the client's TLS, and is behind its own TLS then.
      const expected =
        "another protocol, or tls.starttls: mysql of the upstream too: MySQL has no TLS from the start";
      const isHidden = starttls.value === "mysql" && tls?.value !== undefined;
      if (isHidden) findings.push({ kind: "bad_value", ...starttls, expected });
      continue;
    }
    if (sni.value !== undefined) {
      const expected = "an upstream without tls.starttls: what sni passes on is TLS from the first byte on";
      findings.push({ kind: "bad_value", path: place.path, value: spoken, expected });
    } else if (starttls.value !== undefined && starttls.value !== spoken) {
      const expected = `${spoken}, in which the upstream asks for TLS`;
      findings.push({ kind: "bad_value", ...starttls, expected });
    }
  }
  return findings;
}

/** A version without quotes is a number. */
function isVersion({ value }: DocumentNode, version: string): boolean {
  return String(value) === version;
}

/** A client of the admin listener may disable backends, so the listener must not be open to all. */
function checkAdmin(admin: DocumentNode, folder: string): Finding[] {
  const listen = admin.at("listen");
  const findings = [...checkServiceTls(admin), ...checkCrls(admin.at("tls").at("clientAuth"))];
  const native = admin.at("tls").at("native");
  if (native.value === true) {
    findings.push({ kind: "bad_value", ...native, expected: "false, for the admin listener" });
  }
  const starttls = admin.at("tls").at("starttls");
  if (starttls.value !== undefined) {
    findings.push({ kind: "bad_value", ...starttls, expected: "none, for the admin listener" });
  }
  const exposed = listen.listener(folder).some(({ as }) => !isAdminAddress(as));
  if (exposed && admin.at("tls").at("clientAuth").value === undefined) {
    const expected = "a loopback address or unix:/path, unless tls.clientAuth is set";
    findings.push({ kind: "bad_value", ...listen, expected });
  }
  const auth = admin.at("tls").at("clientAuth");
  if (exposed && auth.at("mode").value === "optional") {
    const expected = "require, where the admin listener can be reached from elsewhere";
    findings.push({ kind: "bad_value", ...auth.at("mode"), expected });
  }
  return [...findings, ...checkAdminAllow(admin)];
}

/** Rules need a certificate, and its path is not known to them. */
function checkAdminAllow(admin: DocumentNode): Finding[] {
  const allow = admin.at("allow");
  if (!isMapping(allow.value)) return [];
  if (admin.at("tls").at("clientAuth").value === undefined) {
    return [{ kind: "bad_value", ...allow, expected: "none without admin.tls.clientAuth" }];
  }
  if (Object.keys(allow.value).length === 0) {
    return [{ kind: "bad_value", ...allow, expected: "rules of read, of write, or of both" }];
  }
  const bound = ["read", "write"].flatMap((level) => allow.at(level).items()).map((rule) => rule.at("ca"));
  return bound.filter(({ value }) => value !== undefined).map((place) => ({
    kind: "bad_value",
    ...place,
    expected: "none in admin.allow; put it into admin.tls.clientAuth.allow",
  }));
}
