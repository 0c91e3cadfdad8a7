import { type Finding, withNearest } from "../schema/findings.ts";
import type { DocumentNode } from "./document_node.ts";
import { isHttp } from "./http.ts";

/** What is wrong between the policy tests and the services that they are about. */
export function checkPolicyTests(tests: DocumentNode, services: readonly DocumentNode[]): Finding[] {
  const byName = new Map(services.map((service) => [service.at("name").value, service]));
  return tests.items().flatMap((test) => {
    const name = test.at("service");
    if (typeof name.value !== "string") return [];
    const service = byName.get(name.value);
    if (service !== undefined) return checkKeys(test, service);
    const names = [...byName.keys()].filter((each) => typeof each === "string");
    return [withNearest({ kind: "bad_value", ...name, expected: "the name of one of the services" }, names)];
  });
}

/** A test is about what its service can get. */
function checkKeys(test: DocumentNode, service: DocumentNode): Finding[] {
  const hasTls = service.at("tls").value !== undefined;
  const [via, cert, url, method] = ["via", "cert", "url", "method"].map((key) => test.at(key)) as [
    DocumentNode,
    DocumentNode,
    DocumentNode,
    DocumentNode,
  ];
  const findings: Finding[] = [];
  const refuse = (place: DocumentNode, expected: string) => {
    if (place.value !== undefined) findings.push({ kind: "bad_value", ...place, expected });
  };
  if (service.at("proxyProtocol").value !== true) {
    refuse(via, "none, as the service reads no PROXY header");
  }
  if (!hasTls) refuse(cert, "none, as the service has no tls");
  if (!isHttp(service)) {
    for (const place of [url, method]) refuse(place, "none, as the service has protocol: tcp");
    return findings;
  }
  const scheme = hasTls ? "https://" : "http://";
  const expected = `a URL that begins with ${scheme}, as the service has ${hasTls ? "" : "no "}tls`;
  if (url.value === undefined) findings.push({ kind: "missing", path: url.path, value: undefined, expected });
  else if (typeof url.value === "string" && !url.value.toLowerCase().startsWith(scheme)) {
    refuse(url, expected);
  }
  return findings;
}
