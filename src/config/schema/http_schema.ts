import * as v from "valibot";
import { formatDuration, formatSize, MAX_SIZE_BYTES, parseSize, SIZE_FORM } from "../../core/units.ts";
import { faultOfFieldName, faultOfFieldValue, type RuleSide } from "../../http_proxy/header_rules.ts";
import { hostPattern, routePath } from "../../http_proxy/match_patterns.ts";
import {
  DEFAULT_HTTP_LIMITS,
  DEFAULT_HTTP_RETRIES,
  DEFAULT_HTTP_TIMEOUTS,
} from "../../http_proxy/options.ts";
import { faultOfRedirect } from "../../http_proxy/redirect.ts";
import {
  choice,
  count,
  duration,
  type Field,
  file,
  filledList,
  flag,
  isMapping,
  list,
  mapping,
} from "./fields.ts";
import { readWith } from "./fields.ts";

// The keys of services with protocol: http.

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
/** The most bytes of a head that may be configured: it is kept in memory as a whole. */
const MAX_HEADER_BYTES = 1024 * 1024;
const MAX_HEADERS = 10_000;
const STATUS_KEY = /^[45]\d\d$/;

/** A text in which `faultOf` finds no fault; the fault is reported. */
function text(
  message: string,
  faultOf: (text: string) => string | undefined,
): v.GenericSchema<string, string> {
  return v.pipe(
    v.string(message),
    v.rawCheck(({ dataset, addIssue }) => {
      const fault = dataset.typed ? faultOf(dataset.value) : undefined;
      if (fault !== undefined) addIssue({ message: `${message} (${fault})` });
    }),
  );
}

/** A size in bytes. */
function size({ min = 0, max = MAX_SIZE_BYTES }: { min?: number; max?: number } = {}): Field<number> {
  const bounds = min === 0 && max === MAX_SIZE_BYTES ? "" : `, from ${formatSize(min)} to ${formatSize(max)}`;
  return readWith((input) => {
    const bytes = typeof input === "string" || typeof input === "number" ? parseSize(input) : undefined;
    return bytes === undefined || bytes < min || bytes > max ? undefined : bytes;
  }, `${SIZE_FORM}${bounds}`);
}

/** A path in normal form, of a route or a rewrite. */
function path(): Field<string> {
  const message = "a path that begins with /, without query, //, ., .. and ;";
  return v.pipe(
    v.string(message),
    v.check((text) => routePath(text) !== undefined, message),
    v.transform((text) => routePath(text)!),
  );
}

function fieldName(side: RuleSide): v.GenericSchema<string, string> {
  return text("the name of a field such as X-Team", (name) => faultOfFieldName(name, side));
}

/** Values of fields by their names. */
function fieldValues(side: RuleSide, faultOf = faultOfFieldValue): Field<Record<string, string>> {
  const message = "a mapping from names of fields to texts";
  const value = text("a text for the value of a field, numbers in quotes", faultOf);
  return v.pipe(v.custom<object>(isMapping, message), v.record(fieldName(side), value));
}

function fieldRules(side: RuleSide) {
  return mapping({
    set: v.exactOptional(fieldValues(side)),
    add: v.exactOptional(fieldValues(side)),
    remove: v.exactOptional(list(fieldName(side), "a list of names of fields")),
  }, "a mapping with set, add and remove");
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

function faultOfMethod(method: string): string | undefined {
  if (!TOKEN.test(method)) return "it is no method";
  const capitals = method.toUpperCase();
  return METHODS.includes(capitals) && capitals !== method ? `in capitals: ${capitals}` : undefined;
}

const match = mapping({
  host: v.exactOptional(text(
    "a host name, a wildcard such as *.example.org, or an IP address",
    (host) => hostPattern(host) === undefined ? "it can't match" : undefined,
  )),
  path: v.exactOptional(path()),
  methods: v.exactOptional(filledList(
    text("a method such as GET", faultOfMethod),
    "a list of one method at least",
  )),
}, "a mapping with host, path and methods");

const redirect = mapping({
  to: text("a URL or a path, perhaps with {scheme}, {host}, {path} and {query}", faultOfRedirect),
  status: v.optional(v.picklist([301, 302, 303, 307, 308], "one of 301, 302, 303, 307, 308"), 308),
}, "a mapping with to and status");

const respond = mapping({
  status: count({ min: 200, max: 599 }),
  headers: v.exactOptional(fieldValues("response", (value) => faultOfFieldValue(value.replaceAll("{", "")))),
  body: v.exactOptional(v.string("a text")),
}, "a mapping with status, headers and body");

const retryStatus = count({ min: 400, max: 599 });
const RETRY_FORM = "connect, or a status from 400 to 599";
const retryCondition: Field<"connect" | number> = v.lazy((input) =>
  typeof input === "number"
    ? v.pipe(v.unknown(), v.check((status) => v.is(retryStatus, status), RETRY_FORM), retryStatus)
    : v.literal("connect", RETRY_FORM)
);

const retries = mapping({
  attempts: v.optional(count({ max: 100 }), DEFAULT_HTTP_RETRIES.attempts),
  on: v.optional(list(retryCondition, "a list of connect and statuses"), [...DEFAULT_HTTP_RETRIES.on]),
  idempotencyKey: v.optional(flag(), false),
}, "a mapping with attempts and on");

/** Timeouts that are for HTTP alone, with their defaults. */
export const httpTimeouts = {
  response: v.optional(duration({ zero: true }), formatDuration(DEFAULT_HTTP_TIMEOUTS.responseMs)),
  request: v.optional(duration({ zero: true }), formatDuration(DEFAULT_HTTP_TIMEOUTS.requestMs)),
};

/** The same without defaults. */
export const ownHttpTimeouts = {
  response: v.exactOptional(duration({ zero: true })),
  request: v.exactOptional(duration({ zero: true })),
};

const hostHeader = text("keep, backend or a host name with its port, if any", (value) => {
  if (value === "keep" || value === "backend") return undefined;
  const [, host = "", port = "0"] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(value) ?? [];
  const isHost = hostPattern(host) !== undefined && !host.startsWith("*");
  return isHost && Number(port) <= 65_535 ? undefined : "it is no host";
});

/** One route of a service. */
export const route = mapping({
  match: v.optional(match, {}),
  upstream: v.exactOptional(v.string("the name of an upstream")),
  redirect: v.exactOptional(redirect),
  respond: v.exactOptional(respond),
  rewrite: v.exactOptional(path()),
  rewriteCookies: v.exactOptional(flag()),
  hostHeader: v.exactOptional(hostHeader),
  headers: v.exactOptional(mapping({
    request: v.exactOptional(fieldRules("request")),
    response: v.exactOptional(fieldRules("response")),
  }, "a mapping with request and response")),
  retries: v.exactOptional(retries),
  timeouts: v.exactOptional(mapping(ownHttpTimeouts, "a mapping with response and request")),
}, "a route: a mapping with match, and upstream, redirect or respond");

const limits = mapping({
  headerSize: v.optional(
    size({ min: 1024, max: MAX_HEADER_BYTES }),
    formatSize(DEFAULT_HTTP_LIMITS.headerSize),
  ),
  headers: v.optional(count({ min: 1, max: MAX_HEADERS }), DEFAULT_HTTP_LIMITS.headers),
  bodySize: v.optional(size(), DEFAULT_HTTP_LIMITS.bodySize),
}, "a mapping with headerSize, headers and bodySize");

const errors = v.pipe(
  v.custom<object>(isMapping, "a mapping from statuses to files"),
  v.record(
    v.pipe(v.string(), v.regex(STATUS_KEY, "a status from 400 to 599")),
    file(),
  ),
);

const identityHeader: Field<false | string> = v.lazy((input) =>
  input === false ? v.literal(false) : text(
    "the name of a field, or false",
    (name) => faultOfFieldName(name, "request"),
  )
);

/** Keys of services that are for `protocol: http` alone. */
export const httpKeys = {
  routes: v.exactOptional(filledList(route, "a list of one route at least")),
  limits: v.exactOptional(limits),
  forwarded: v.exactOptional(choice(["x", "rfc7239", "both", "none"])),
  underscores: v.exactOptional(choice(["drop", "allow"])),
  encodedSlashes: v.exactOptional(choice(["reject", "keep"])),
  errors: v.exactOptional(errors),
  via: v.exactOptional(
    text("a name for this proxy, such as culvert", (name) => TOKEN.test(name) ? undefined : "it is no token"),
  ),
  requestId: v.exactOptional(flag()),
  clientCert: v.exactOptional(flag()),
  identityHeader: v.exactOptional(identityHeader),
};

/** The defaults of {@linkcode httpKeys} `limits`. */
export const defaultLimits = v.parse(limits, {});

/** A route of a document. */
export type RouteSection = v.InferOutput<typeof route>;
