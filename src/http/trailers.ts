import type { FieldTable } from "./field_table.ts";
import { CLIENT_FIELDS, fieldSet, FRAMING_FIELDS } from "./known_fields.ts";

/**
 * What must not come behind a body, RFC 9110 section 6.5.1: it frames or routes the message, authenticates, controls or
 * describes the body, or is the proxy's to set.
 */
const NOT_IN_TRAILERS = fieldSet([
  ...CLIENT_FIELDS,
  ...FRAMING_FIELDS,
  "via",
  "x-request-id",
  "x-proxy-by",
  "x-original-url",
  "x-rewrite-url",
  "x-original-host",
  "x-http-method-override",
  "date",
  "location",
  "content-location",
  "set-cookie",
  "content-type",
  "content-encoding",
  "content-range",
  "retry-after",
  "max-forwards",
  "cache-control",
  "age",
  "vary",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "origin",
  "pragma",
  "authorization",
  "proxy-authorization",
  "proxy-authenticate",
  "proxy-authentication-info",
  "www-authenticate",
  "authentication-info",
  "cookie",
]);

/** Marks the trailer fields as not passed on that must not come as such, and lookalikes of known names. */
export function dropFromTrailers(fields: FieldTable): void {
  for (let i = 0; i < fields.count; i++) {
    const id = fields.id(i);
    if (id < 0 || NOT_IN_TRAILERS[id] !== 0) fields.drop(i);
  }
}
