import { ConnectionOptions } from "./connection_options.ts";
import type { FieldTable } from "./field_table.ts";
import { refusedRequest } from "./http_error.ts";
import { fieldId, fieldSet } from "./known_fields.ts";

const EXPECT = fieldId("expect");
const TE = fieldId("te");
const UPGRADE = fieldId("upgrade");

/** Fields for one connection only. A proxy that forwards the message writes its own. */
const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "proxy", "te", "http2-settings"] as const;
const HOP_BY_HOP_IDS = HOP_BY_HOP.map(fieldId);

/** The proxy sets these itself: what comes from outside in their spelling is never passed on. */
export const OWN_FIELDS: Uint8Array = fieldSet([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-real-ip",
  "x-request-id",
  "client-cert",
  "client-cert-chain",
]);

/** `protocol-name ["/" protocol-version]`, RFC 9110 section 7.8. */
const PROTOCOL = /^[\w!#$%&'*+.^`|~-]+(?:\/[\w!#$%&'*+.^`|~-]+)?$/;

/** Marks the fields that are for one connection alone (RFC 9110 section 7.6.1) as not passed on. */
export function dropHopByHop(fields: FieldTable): void {
  for (const id of HOP_BY_HOP_IDS) fields.dropAll(id);
}

/**
 * Marks the fields as not passed on whose names are a known one with an underscore for a hyphen: all of them, or with
 * `allow` those alone that the proxy sets itself.
 */
export function dropLookalikes(fields: FieldTable, underscores: "drop" | "allow"): void {
  for (let i = 0; i < fields.count; i++) {
    const id = fields.id(i);
    if (id < 0 && (underscores === "drop" || OWN_FIELDS[-id] !== 0)) fields.drop(i);
  }
}

/**
 * Whether the client waits for an interim answer before it sends the body. An expectation in HTTP/1.0, or without a
 * body, is none (RFC 9110 section 10.1.1) and is not passed on.
 *
 * @throws {HttpError} 417 for another expectation than `100-continue`.
 */
export function readExpectation(fields: FieldTable, counts: boolean): boolean {
  const index = fields.indexOf(EXPECT);
  if (index === -1) return false;
  if (fields.isRepeated(EXPECT) || !fields.valueIs(index, "100-continue")) {
    throw refusedRequest("bad_expectation", 417, "it expects something other than 100-continue");
  }
  if (!counts) fields.drop(index);
  return counts;
}

/** Whether TE says that trailer fields are welcome. */
export function readTrailersAccepted(fields: FieldTable): boolean {
  if (fields.indexOf(TE) === -1) return false;
  return fields.joined("te")!.split(",").some((member) => member.trim().toLowerCase() === "trailers");
}

/** An upgrade to one of these would tunnel requests past all that is looked at here. */
const HTTP_PROTOCOLS = ["h2c", "h2", "h3", "http"];

/**
 * The protocols of Upgrade in lower case, joined by a comma; empty without an upgrade. One to another version of HTTP
 * (`h2c`) is none.
 */
export function readUpgrade(fields: FieldTable, options: number): string {
  if (fields.indexOf(UPGRADE) === -1 || (options & ConnectionOptions.upgrade) === 0) return "";
  const protocols = fields.joined("upgrade")!.split(",").map((protocol) => protocol.trim().toLowerCase());
  const good = protocols.every((protocol) =>
    PROTOCOL.test(protocol) && !HTTP_PROTOCOLS.includes(protocol.split("/")[0]!)
  );
  return good ? protocols.join(",") : "";
}
