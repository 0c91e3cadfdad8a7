import { badTemplate, splitTemplate, unknownVariableFault } from "./template.ts";

/** What a redirect can be made of. */
export interface RedirectValues {
  readonly scheme: string;
  /** As the client named it, with its port; empty where it named none. */
  readonly host: string;
  /** In normal form. */
  readonly path: string;
  /** With its `?`; empty where there is none. */
  readonly query: string;
}

/** Makes the Location of a redirect; `undefined` where it takes a host and the client named none. */
export type Redirect = (values: RedirectValues) => string | undefined;

/** The variables of a redirect. */
export const REDIRECT_VARIABLES = ["scheme", "host", "path", "query"] as const;
type Variable = typeof REDIRECT_VARIABLES[number];

/** Which component of the URL a variable stands in, and so how it is encoded. */
type Component = "start" | "authority" | "path" | "query" | "fragment";

interface Placed {
  readonly variable: Variable;
  readonly component: Component;
  /** It is the last part. */
  readonly isLast: boolean;
  /** The host keeps its port. */
  readonly keepsPort: boolean;
}

const SAMPLE: RedirectValues = { scheme: "https", host: "host.example", path: "/path", query: "?query" };
/** What may stand in a URL, RFC 3986. */
const URL_TEXT = /^(?:[\w.~:/?#[\]@!$&'()*+,;=-]|%[0-9a-f]{2})*$/i;
const NOT_IN_URL = /[^\w.~:/?#[\]@!$&'()*+,;=%-]/gu;
/** With another scheme the port would be another, too. */
const SAME_SCHEME = /^\{scheme\}:\/\/\{host\}(?!:)/;
const PORT = /:\d*$/;
const HOST = /^(?:[\w.~-]+|\[[0-9a-f:.]+\])(?::\d*)?$/i;

/**
 * What is wrong with a template of a redirect.
 *
 * @returns `undefined` for a good one.
 */
export function faultOfRedirect(template: string): string | undefined {
  const unknown = unknownVariableFault(template, REDIRECT_VARIABLES);
  if (unknown !== undefined) return unknown;
  if (!URL_TEXT.test(template.replaceAll(/\{\w+\}/g, ""))) return "it has characters that no URL may have";
  const parts = placeParts(template);
  for (const part of parts) {
    if (typeof part !== "string" && !isAllowed(part)) return `{${part.variable}} can't stand there`;
  }
  const url = build(parts, SAMPLE);
  const isAbsolute = /^https?:\/\/[^/?#]/.test(url) && URL.canParse(url);
  if (isAbsolute || /^\/(?!\/)/.test(url)) return undefined;
  return "it is no URL with http or https, nor a path that begins with /";
}

/** A client must not be able to choose where another one is sent: what it says is no part of a host but `{host}`. */
function isAllowed({ variable, component }: Placed): boolean {
  if (component === "start") return variable === "scheme" || variable === "path";
  if (component === "authority") return variable === "host";
  return component !== "path" || variable !== "scheme";
}

/**
 * Compiles a template such as `https://{host}{path}{query}`.
 *
 * Each value is encoded for its place, so that it stays there: in the parameters of a query everything but unreserved
 * characters. A path at the start never begins with two slashes. `{query}` has its `?`, unless the template has one,
 * or `&`, in front of it. `{host}` has its port where the template begins with `{scheme}://{host}`, and else none, as
 * another scheme has another port.
 *
 * @throws {CulvertError} `bad_template`.
 */
export function compileRedirect(template: string): Redirect {
  const fault = faultOfRedirect(template);
  if (fault !== undefined) throw badTemplate(template, fault);
  const parts = placeParts(template);
  const takesHost = parts.some((part) => typeof part !== "string" && part.variable === "host");
  return (values) => takesHost && values.host === "" ? undefined : build(parts, values);
}

function placeParts(template: string): (string | Placed)[] {
  let before = "";
  return splitTemplate(template).map((part, index, { length }) => {
    if ("text" in part) {
      before += part.text;
      return part.text;
    }
    const variable = part.variable as Variable;
    const component = componentOf(variable, before);
    before += SAMPLE[variable];
    return { variable, component, isLast: index === length - 1, keepsPort: SAME_SCHEME.test(template) };
  });
}

/** Where a variable stands that has this in front of it. */
function componentOf(variable: Variable, before: string): Component {
  if (before === "") return "start";
  if (before.includes("#")) return "fragment";
  if (before.includes("?")) return "query";
  const [, authority] = /^https?:\/\/([^/]*)$/.exec(before) ?? [];
  if (authority === undefined) return "path";
  // A path or a query ends the authority, which must have a host by then.
  return authority !== "" && (variable === "path" || variable === "query") ? "path" : "authority";
}

function build(parts: readonly (string | Placed)[], values: RedirectValues): string {
  let url = "";
  for (const part of parts) {
    if (typeof part === "string") url += part;
    else if (part.variable === "query") url = appendQuery(url, part, values.query);
    else url += encode(url, part, values[part.variable]);
  }
  return url;
}

function encode(url: string, { variable, component, keepsPort }: Placed, value: string): string {
  if (variable === "host" && !keepsPort) value = value.replace(PORT, "");
  if (component === "query" || component === "fragment") return encodeURIComponent(value.toWellFormed());
  if (variable === "scheme") return value === "https" ? "https" : "http";
  if (variable === "host") {
    return component === "authority" && HOST.test(value) ? value : encodeURIComponent(value.toWellFormed());
  }
  const path = safe(value);
  if (url === "") return path.replace(/^\/*/, "/");
  return url.endsWith("/") ? path.replace(/^\/+/, "") : path.replace(/^(?!\/)/, "/");
}

function appendQuery(url: string, { component, isLast }: Placed, query: string): string {
  if (component === "path") return url + safe(query);
  if (component === "query" && /[?&]$/.test(url)) {
    return query.length < 2 && isLast ? url.slice(0, -1) : url + safe(query.slice(1));
  }
  return url + encodeURIComponent(query.toWellFormed());
}

function safe(text: string): string {
  return text.replaceAll(NOT_IN_URL, (char) => encodeURIComponent(char.toWellFormed()));
}
