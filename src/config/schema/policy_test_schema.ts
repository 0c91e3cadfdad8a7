import * as v from "valibot";
import { parseIp } from "../../net/ip.ts";
import { type Field, file, isMapping, list, mapping, name } from "./fields.ts";

// The keys of policy tests, which `culvert check` runs.

const VERDICT =
  'accept, redirect, respond, or the reason of the access log: "refused-by-deny", "tls-not-allowed", "no-route"';
const METHOD = /^[\w!#$%&'*+.^`|~-]+$/;

function verdict(): v.GenericSchema<string, string> {
  return v.pipe(v.string(VERDICT), v.regex(/^[a-z][a-z0-9-]*$/, VERDICT));
}

function ip(): Field<string> {
  const message = "an IP address";
  return v.pipe(v.string(message), v.check((text) => parseIp(text) !== undefined, message));
}

const outcome = mapping({
  verdict: verdict(),
  upstream: v.exactOptional(name()),
  target: v.exactOptional(v.string("the path and query that the backend is asked for")),
  status: v.exactOptional(
    v.pipe(v.number("a status from 100 to 599"), v.integer("a status from 100 to 599")),
  ),
  location: v.exactOptional(v.string("the URL that a redirect leads to")),
}, `${VERDICT}; or a mapping with verdict, upstream, target, status and location`);

/** A verdict alone may be written in the place of the mapping. */
const expected: Field<v.InferOutput<typeof outcome>> = v.lazy((input) =>
  isMapping(input) ? outcome : v.pipe(verdict(), v.transform((word) => ({ verdict: word })))
);

/** One policy test. */
export const policyTest = mapping({
  name: v.exactOptional(name()),
  service: name(),
  from: v.exactOptional(ip()),
  via: v.exactOptional(ip()),
  cert: v.exactOptional(file()),
  sni: v.exactOptional(v.string("a server name")),
  method: v.exactOptional(v.pipe(v.string("a method"), v.regex(METHOD, "a method such as GET"))),
  url: v.exactOptional(v.string("a URL with its host, such as https://app.example.org/login")),
  expect: expected,
}, "a policy test: a mapping with service, what connects, and expect");

/** All of them. */
export const policyTests = list(policyTest, "a list of policy tests");

/** A policy test as it is written. */
export type PolicyTestSection = v.InferOutput<typeof policyTest>;
