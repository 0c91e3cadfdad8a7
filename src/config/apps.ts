import * as v from "valibot";
import type { Steps } from "../core/slices.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { findBackendClashes, findOverlaps, findRepeats, type Located } from "./rules/conflicts.ts";
import { addressesIn } from "./rules/upstream.ts";
import { backendAddress, count, filledList, isMapping, mapping, name } from "./schema/fields.ts";
import { type Finding, fromIssues } from "./schema/findings.ts";
import { DocumentNode } from "./rules/document_node.ts";
import { type ConfigDocument, documentSchema } from "./schema/schema.ts";

/** Where apps listen. */
const HOST = "127.0.0.1";

const HEALTH = { type: "tcp", interval: "30s", timeout: "2s" };

const app = mapping({
  Name: name(),
  Ports: filledList(count({ max: 65_535 }), "a list of one port at least"),
  Targets: filledList(backendAddress(), "a list of one target at least"),
}, "an app: a mapping with Name, Ports and Targets");

const appsSchema = mapping({ Apps: filledList(app, "a list of one app at least") }, "a mapping with Apps");

/** Whether a document has the form `{"Apps": [{"Name": …, "Ports": […], "Targets": […]}]}`. */
export function isAppsDocument(document: unknown): boolean {
  return isMapping(document) && Object.hasOwn(document, "Apps") && !Object.hasOwn(document, "version");
}

/**
 * Reads a document in the form of apps: each becomes a TCP service that listens on `127.0.0.1` and spreads what
 * comes over its targets, round-robin, which are checked by `tcp` every 30 s, with a timeout of 2 s. Everything else is as
 * the defaults have it.
 *
 * @param folder What relative paths of unix sockets are relative to.
 * @returns The document of version 1 that says the same, or what is wrong.
 */
export function* readApps(
  document: unknown,
  folder: string,
): Steps<{ document: ConfigDocument } | { findings: Finding[] }> {
  const result = v.safeParse(appsSchema, document);
  const findings = [...fromIssues(result.issues ?? []), ...yield* checkApps(document, folder)];
  if (!result.success || findings.length > 0) return { findings };
  const services = result.output.Apps.map(({ Name, Ports, Targets }) => ({
    name: Name,
    listen: Ports.map((port) => `${HOST}:${port}`),
    upstream: { backends: Targets.map((target) => ({ address: formatAddress(target) })), health: HEALTH },
  }));
  return { document: v.parse(documentSchema, { version: 1, services }) };
}

/** What is wrong between values. As in document_checks.ts, what has the wrong shape is passed over. */
function* checkApps(document: unknown, folder: string): Steps<Finding[]> {
  const apps = new DocumentNode([], document).at("Apps").items();
  const names = apps.flatMap((app) => app.at("Name").text());
  const ports = apps.flatMap((app) => app.at("Ports").items()).filter(({ value }) =>
    typeof value === "number"
  );
  const listeners = ports.map((place): Located<Address> => ({
    ...place,
    as: { kind: "tcp", host: HOST, port: Number(place.value) },
  }));
  const findings = [...findRepeats(names, "a name of its own"), ...findOverlaps(listeners)];
  for (const app of apps) {
    findings.push(...yield* findBackendClashes(addressesIn(app.at("Targets").items(), folder)));
  }
  return findings;
}
