import { checkUpstreamRules } from "./client_auth.ts";
import { describeError } from "../../core/errors.ts";
import type { Steps } from "../../core/slices.ts";
import type { Address } from "../../net/address.ts";
import { requireBody } from "../../upstream/check/http_check.ts";
import { DEFAULT_POOL } from "../../upstream/pool/options.ts";
import { findBackendClashes, type Located } from "./conflicts.ts";
import { isMapping } from "../schema/fields.ts";
import type { Finding } from "../schema/findings.ts";
import type { DocumentNode } from "./document_node.ts";

/** What is wrong between the values of one upstream. What has the wrong shape is passed over. */
export function* checkUpstream(upstream: DocumentNode, folder: string): Steps<Finding[]> {
  return [
    ...yield* findBackendClashes(addressesIn(upstream.at("backends").items(), folder)),
    ...checkSources(upstream),
    ...checkHealth(upstream),
    ...checkPool(upstream.at("pool")),
    ...checkUpstreamTls(upstream),
    ...checkJoined(upstream),
    ...checkProxyProtocol(upstream.at("proxyProtocol")),
  ];
}

/** Backends must come from somewhere. */
/** Version 1 has room for addresses only. */
function checkProxyProtocol(proxyProtocol: DocumentNode): Finding[] {
  if (proxyProtocol.at("version").value !== "v1") return [];
  const unable = [proxyProtocol.at("tlvs"), proxyProtocol.at("forwardTlvs")].filter(({ value }) =>
    value !== undefined && value !== false
  );
  return unable.map((place) => ({ kind: "bad_value", ...place, expected: "version: v2, which has TLVs" }));
}

function checkSources(upstream: DocumentNode): Finding[] {
  if (!isMapping(upstream.value)) return [];
  const discover = upstream.at("discover");
  if (discover.value === undefined) {
    const backends = upstream.at("backends");
    if (backends.value !== undefined) return [];
    return [{
      kind: "missing",
      ...backends,
      value: undefined,
      expected: "a list of one backend at least, or discover",
    }];
  }
  if (!isMapping(discover.value)) return [];
  const [dns, etcd] = [discover.at("dns"), discover.at("etcd")];
  if ([dns, etcd, discover.at("file")].every(({ value }) => value === undefined)) {
    return [{ kind: "bad_value", ...discover, expected: "one of dns, file and etcd at least" }];
  }
  return [...checkDns(dns), ...checkEtcd(etcd)];
}

function checkDns(dns: DocumentNode): Finding[] {
  if (!isMapping(dns.value)) return [];
  const port = dns.at("port");
  const isSrv = dns.at("type").value === "SRV";
  if (!isSrv && port.value === undefined) {
    return [{
      kind: "missing",
      ...port,
      expected: "the backends' port, which A and AAAA records don't tell",
    }];
  }
  if (isSrv && port.value !== undefined) {
    return [{ kind: "bad_value", ...port, expected: "none: SRV records tell the port" }];
  }
  return [];
}

function checkEtcd(etcd: DocumentNode): Finding[] {
  if (!isMapping(etcd.value)) return [];
  const [user, passwordFile, tls] = [etcd.at("user"), etcd.at("passwordFile"), etcd.at("tls")];
  const findings = checkPair(tls);
  const urls = etcd.at("endpoints").items().map(({ value }) => value);
  if (tls.value !== undefined && !urls.some((url) => typeof url === "string" && url.startsWith("https:"))) {
    findings.push({ kind: "bad_value", ...tls, expected: "none, where no endpoint is https" });
  }
  if ((user.value === undefined) !== (passwordFile.value === undefined)) {
    const missing = user.value === undefined ? user : passwordFile;
    findings.push({ kind: "missing", ...missing, expected: "user and passwordFile, both or neither" });
  }
  return findings;
}

/** Settings that would have no effect, or could never work. */
function checkHealth(upstream: DocumentNode): Finding[] {
  const health = upstream.at("health");
  if (!isMapping(health.value)) return [];
  const type = health.at("type");
  const findings: Finding[] = [];
  for (const key of ["http", "script"]) {
    const settings = health.at(key);
    if (settings.value !== undefined && type.value !== key) {
      findings.push({ kind: "bad_value", ...settings, expected: `none, unless type is ${key}` });
    }
  }
  if (type.value === "script" && health.at("script").value === undefined) {
    findings.push({ kind: "missing", ...health.at("script"), expected: "the steps of the script" });
  }
  if (type.value === "tls" && upstream.at("tls").value === undefined) {
    findings.push({
      kind: "bad_value",
      ...type,
      expected: "another type, or tls of the upstream, which is checked",
    });
  }
  if (type.value === "http" && health.at("port").value === undefined) {
    const starttls = upstream.at("tls").at("starttls");
    const expected = "a port of its own for HTTP, where TLS is asked for in another protocol (tls.starttls)";
    if (starttls.value !== undefined) findings.push({ kind: "missing", ...health.at("port"), expected });
  }
  findings.push(...checkBody(health.at("http")));
  const onUnix = unixBackends(upstream);
  if (onUnix && type.value === "half-open") {
    findings.push({ kind: "bad_value", ...type, expected: "another type: a unix socket can't be half open" });
  }
  if (onUnix && health.at("port").value !== undefined) {
    findings.push({ kind: "bad_value", ...health.at("port"), expected: "none: a unix socket has no port" });
  }
  return findings;
}

/** A text that no answer could have in its body. */
function checkBody(http: DocumentNode): Finding[] {
  if (!isMapping(http.value)) return [];
  const [body, { value: method }] = [http.at("body"), http.at("method")];
  if (typeof body.value !== "string" || body.value === "") return [];
  try {
    requireBody(body.value, typeof method === "string" ? method : "GET");
    return [];
  } catch (error) {
    return [{ kind: "bad_value", ...body, expected: `another text, or none: ${describeError(error)}` }];
  }
}

/** The addresses of backends, where they can be read. */
export function* addressesIn(
  backends: readonly DocumentNode[],
  folder: string,
): Iterable<Located<Address>> {
  for (const backend of backends) yield* addressOf(backend).address(folder);
}

/** Where the address of a backend stands: it is its address, or a mapping with that. */
function addressOf(backend: DocumentNode): DocumentNode {
  return typeof backend.value === "string" ? backend : backend.at("address");
}

function unixBackends(upstream: DocumentNode): boolean {
  return upstream.at("backends").items().some((backend) => {
    const { value } = addressOf(backend);
    return typeof value === "string" && value.startsWith("unix:");
  });
}

/** A certificate and its key. */
function checkPair(tls: DocumentNode): Finding[] {
  if (!isMapping(tls.value)) return [];
  const [cert, key] = [tls.at("cert"), tls.at("key")];
  if (cert.value !== undefined && key.value === undefined) {
    return [{ kind: "missing", ...key, expected: "the key of cert" }];
  }
  if (key.value !== undefined && cert.value === undefined) {
    return [{ kind: "missing", ...cert, expected: "the certificate of key" }];
  }
  return [];
}

/** TLS that begins within a login can't be started ahead of it, and a MySQL server closes a connection without login. */
function checkJoined(upstream: DocumentNode): Finding[] {
  const minIdle = upstream.at("pool").at("minIdle");
  if (upstream.at("tls").at("starttls").value !== "mysql" || !(Number(minIdle.value) > 0)) return [];
  return [{ kind: "bad_value", ...minIdle, expected: "0, together with tls.starttls: mysql" }];
}

/** The bounds of the versions of TLS, of a service or an upstream. A version without quotes is a number. */
export function checkVersions(tls: DocumentNode): Finding[] {
  const [min, max] = [tls.at("minVersion"), tls.at("maxVersion")];
  if (String(min.value) !== "1.3" || String(max.value) !== "1.2") return [];
  return [{ kind: "bad_value", ...min, expected: "a version that is not above maxVersion" }];
}

function checkUpstreamTls(upstream: DocumentNode): Finding[] {
  const tls = upstream.at("tls");
  if (!isMapping(tls.value)) return [];
  const findings = [...checkPair(tls), ...checkVersions(tls), ...checkUpstreamRules(tls)];
  const verify = tls.at("verify");
  if (verify.value === false && tls.at("allow").value !== undefined) {
    const expected = "true, where allow is set";
    findings.push({ kind: "bad_value", ...verify, expected });
  }
  const named = tls.at("serverName").value ?? tls.at("allow").value;
  if (unixBackends(upstream) && named === undefined && tls.at("verify").value !== false) {
    const expected = "a name, which a unix socket does not have, or allow";
    findings.push({ kind: "missing", ...tls.at("serverName"), expected });
  }
  return findings;
}

function checkPool(pool: DocumentNode): Finding[] {
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
