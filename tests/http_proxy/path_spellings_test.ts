import { assert, assertEquals } from "@std/assert";
import { HttpError } from "../../src/http/http_error.ts";
import { InputBuffer } from "../../src/http/input_buffer.ts";
import { RequestHead } from "../../src/http/request.ts";
import { rewritePath } from "../../src/http_proxy/rewrite.ts";
import { compileRoutes } from "../../src/http_proxy/router.ts";
import { numbers } from "../support/random.ts";

// From the first line of a request to the route that it takes and the target that its backend gets.

const ROUTER = compileRoutes([
  { match: {}, upstream: "open" },
  { match: { path: "/admin" }, upstream: "admin" },
  { match: { path: "/static/" }, upstream: "static", rewrite: "/files/" },
]);

interface Outcome {
  /** The name of an upstream, or the status of a refusal. */
  readonly leads: string;
  readonly target?: string;
}

/** Where a target leads, as its bytes are sent. */
function route(target: string, encodedSlashes: "reject" | "keep" = "reject"): Outcome {
  const head = new RequestHead({ encodedSlashes });
  head.begin();
  const text = `GET ${target} HTTP/1.1\r\nHost: example.org\r\n\r\n`;
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  try {
    assert(head.parse(new InputBuffer(bytes, bytes.length)));
    const { path, query } = head;
    const result = ROUTER.match(head.host, path, head.method);
    if (result.kind !== "route") return { leads: result.kind };
    return { leads: result.route.upstream!, target: rewritePath(result.route, { ...result, path, query }) };
  } catch (error) {
    if (error instanceof HttpError) return { leads: String(error.status) };
    throw error;
  }
}

/** Spellings of advisories and of the public literature, for a path below `/admin` that has a route of its own. */
const SPELLINGS: [target: string, leads: string][] = [
  // Dot segments, plain and encoded (Envoy CVE-2019-9901).
  ["/public/../admin", "admin"],
  ["/public/./../admin/x", "admin"],
  ["/public/%2e%2e/admin", "admin"],
  ["/public/%2E./admin", "admin"],
  ["/public/.%2e/admin", "admin"],
  ["/./admin", "admin"],
  ["/%2e/admin", "admin"],
  ["/x/y/../../admin", "admin"],
  ["/admin/.", "admin"],
  ["/admin/./", "admin"],
  ["/admin/x/..", "admin"],
  // Out of the route, and back into another one.
  ["/admin/..", "open"],
  ["/admin/../", "open"],
  ["/admin/%2e%2e/public", "open"],
  // Above the root.
  ["/..", "400"],
  ["/../admin", "400"],
  ["/public/../../admin", "400"],
  ["/%2e%2e/admin", "400"],
  // Doubled slashes (Envoy merge_slashes).
  ["//admin", "admin"],
  ["///admin", "admin"],
  ["//example.org/admin", "open"],
  ["/admin//", "admin"],
  ["/public//../admin", "open"],
  // Encoded slashes and backslashes (Envoy CVE-2021-29492).
  ["/admin%2fx", "400"],
  ["/%2fadmin", "400"],
  ["/public%2f..%2fadmin", "400"],
  ["/public/..%2fadmin", "400"],
  ["/public%5c..%5cadmin", "400"],
  ["/public/..%5cadmin", "400"],
  ["/public\\..\\admin", "400"],
  // Encoded once more: a backend that decodes twice is beyond help, but Culvert has not written that spelling.
  ["/%252e%252e/admin", "open"],
  ["/%2561dmin", "open"],
  // Fragments (Envoy CVE-2021-32779).
  ["/admin#x", "400"],
  ["/admin%23x", "open"],
  ["/public#/../admin", "400"],
  // Letters and reserved characters that are encoded.
  ["/%61dmin", "admin"],
  ["/%61%64%6D%69%6e/x", "admin"],
  ["/adm%69n", "admin"],
  // Parameters of segments, as servlet containers take them off.
  ["/admin;x=1", "admin"],
  ["/admin;/x", "admin"],
  ["/;x/admin", "admin"],
  ["/public/..;/admin", "admin"],
  ["/public/..;x=1/admin", "admin"],
  ["/public/%2e%2e;/admin", "admin"],
  ["/public/..%3b/admin", "400"],
  ["/admin%3bx", "admin"],
  // Control characters, NUL and spaces.
  ["/admin%00", "400"],
  ["/admin%00.html", "400"],
  ["/admin%0a", "400"],
  ["/admin%0d%0aX:1", "400"],
  ["/admin%09", "400"],
  ["/admin%7f", "400"],
  ["/admin%20", "open"],
  ["/admin\t", "400"],
  // Bytes that are not ASCII, and percent signs that stand alone.
  ["/\xe0\x80\xaeadmin", "400"],
  ["/%c0%ae%c0%ae/admin", "open"],
  ["/%", "400"],
  ["/%2", "400"],
  ["/%zzadmin", "400"],
  ["/%u002fadmin", "400"],
  // Neighbours of the route.
  ["/administrator", "open"],
  ["/admin.html", "open"],
  ["/Admin", "open"],
  ["/adminx/", "open"],
  // An alias without its slash (nginx): what is taken off is a whole segment.
  ["/static../secret", "open"],
  ["/static..;/secret", "open"],
  ["/static/../secret", "open"],
  ["/static/%2e%2e/secret", "open"],
  ["/static/..%2fsecret", "400"],
  // Absolute form, and the query, which is no part of the path.
  ["http://example.org/admin", "admin"],
  ["http://example.org//admin", "admin"],
  ["http://example.org/public/../admin", "admin"],
  ["/public?/../admin", "open"],
  ["/admin?x=../", "admin"],
  ["/?/admin", "open"],
];

Deno.test("no spelling of a path reaches a backend by a route that is not meant for it", () => {
  const wrong = SPELLINGS.flatMap(([target, leads]) => {
    const outcome = route(target);
    return outcome.leads === leads ? [] : [`${target}: expected ${leads}, got ${outcome.leads}`];
  });
  assertEquals(wrong, []);
});

Deno.test("backends get the path in normal form, and the query byte for byte", () => {
  const targets: [target: string, forwarded: string][] = [
    ["/a/../b?x=%2e%2e/%41", "/b?x=%2e%2e/%41"],
    ["/%7euser/%41%c3%a9", "/~user/A%C3%A9"],
    ["/a//b///c", "/a//b///c"],
    ["/static/%61//x?", "/files/a//x?"],
    ["/static", "/files/"],
    ["/static//evil.org", "/files//evil.org"],
    ["http://example.org?x", "/?x"],
  ];
  for (const [target, forwarded] of targets) assertEquals(route(target).target, forwarded, target);
});

/** How lenient backends read a path: each of these, one after the other, in any choice. */
const READINGS: ((path: string) => string)[] = [
  (path) => path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
  (path) => path.replaceAll(/;[^/]*/g, ""),
  (path) => path.replaceAll("\\", "/"),
  (path) => path.replaceAll(/\/{2,}/g, "/"),
  (path) => {
    const segments: string[] = [];
    for (const segment of path.split("/").slice(1)) {
      if (segment === "..") segments.pop();
      else if (segment !== ".") segments.push(segment);
    }
    return `/${segments.join("/")}`;
  },
];

/** Whether some backend could take it for a path below `/admin`. */
function couldBeAdmin(target: string): boolean {
  const path = target.replace(/\?.*/, "");
  for (let choice = 0; choice < 2 ** READINGS.length; choice++) {
    const read = READINGS.filter((_, index) => choice & (1 << index)).reduce(
      (text, each) => each(text),
      path,
    );
    if (/^\/admin(?:[/;]|$)/.test(read)) return true;
  }
  return false;
}

const PIECES = [
  "/",
  "/",
  "/",
  "//",
  ".",
  "..",
  "%2e",
  "%2E.",
  ";",
  ";x=1",
  "%3b",
  "%2f",
  "%5c",
  "\\",
  "admin",
  "admin",
  "%61dmin",
  "adm%49n",
  "public",
  "%00",
  "%",
  "x",
  "%41",
  "?",
];

for (const encodedSlashes of ["reject", "keep"] as const) {
  Deno.test(`no random spelling of a path bypasses a route, with encodedSlashes: ${encodedSlashes}`, () => {
    const random = numbers(12);
    const below = (end: number) => Math.floor(random.next().value * end);
    const seen = new Map<string, number>();
    for (let i = 0; i < 15_000; i++) {
      const pieces = Array.from({ length: 1 + below(8) }, () => PIECES[below(PIECES.length)]!);
      const target = `/${pieces.join("")}`;
      const { leads, target: forwarded } = route(target, encodedSlashes);
      seen.set(leads, (seen.get(leads) ?? 0) + 1);
      if (leads === "open") assert(!couldBeAdmin(forwarded!), `${target} as ${forwarded}`);
    }
    for (const leads of ["open", "admin", "400"]) assert(seen.get(leads)! > 500, JSON.stringify([...seen]));
  });
}
