import { Buffer } from "node:buffer";
import type { FieldTable } from "../http/field_table.ts";
import { CLIENT_FIELDS, fieldId } from "../http/known_fields.ts";

import type { ExchangeState } from "./exchange_state.ts";
import type { OwnAnswer } from "./own_answers.ts";
import { refusal } from "./proxy_error.ts";

const MAX_FORWARDS = fieldId("max-forwards");
const DIGITS = /^\d+$/;
/** A larger number is taken for this one: no chain of proxies is that long. */
const MOST = 255;
/** Fields that authenticate the client, and those that it must not learn from elsewhere (RFC 9110 section 9.3.8). */
const SENSITIVE: ReadonlySet<string> = new Set([
  ...CLIENT_FIELDS,
  "authorization",
  "proxy-authorization",
  "cookie",
]);

/**
 * Max-Forwards of TRACE and OPTIONS, RFC 9110 section 7.6.2: how many more proxies may forward the request. It is one
 * less for the next one; at 0 the answer is this proxy's own. Requests with other methods are forwarded as they are.
 *
 * @returns the answer; `undefined`: the request is forwarded.
 * @throws {ProxyError} 400 for a value that is no number.
 */
export function countForward(exchange: ExchangeState): OwnAnswer | undefined {
  const { method, messages: { request } } = exchange;
  if (method !== "TRACE" && method !== "OPTIONS") return undefined;
  const value = request.fields.joined("max-forwards");
  if (value === undefined) return undefined;
  if (!DIGITS.test(value)) throw refusal("bad-request", 400, "Max-Forwards is not a number");
  const left = Math.min(Number(value), MOST);
  if (left > 0) {
    request.fields.dropAll(MAX_FORWARDS);
    exchange.maxForwards = left - 1;
    return undefined;
  }
  const answer = { status: 200, reason: "max-forwards" } as const;
  if (method === "OPTIONS") return { ...answer, body: new Uint8Array() };
  const body = Buffer.from(reflected(request.target, request.fields), "latin1");
  return { ...answer, fields: [["Content-Type", "message/http"]], body };
}

/** What came, without what is sensitive. */
function reflected(target: string, fields: FieldTable): string {
  const lines = [`TRACE ${target} HTTP/1.1`];
  for (let i = 0; i < fields.count; i++) {
    const name = fields.name(i);
    if (!SENSITIVE.has(name.replaceAll("_", "-"))) lines.push(`${name}: ${fields.value(i)}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
