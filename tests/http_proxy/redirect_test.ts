import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { compileRedirect, faultOfRedirect, type RedirectValues } from "../../src/http_proxy/redirect.ts";

const VALUES: RedirectValues = {
  scheme: "http",
  host: "example.org:8080",
  path: "/a%20b/c",
  query: "?x=1&y=%2F",
};

function redirect(template: string, values: Partial<RedirectValues> = {}): string | undefined {
  return compileRedirect(template)({ ...VALUES, ...values });
}

Deno.test("a redirect is filled in from the request", () => {
  const cases: [template: string, location: string][] = [
    ["https://example.net/new", "https://example.net/new"],
    ["/new", "/new"],
    ["https://{host}{path}{query}", "https://example.org/a%20b/c?x=1&y=%2F"],
    ["https://{host}:8443{path}", "https://example.org:8443/a%20b/c"],
    ["{scheme}://{host}/new{path}{query}", "http://example.org:8080/new/a%20b/c?x=1&y=%2F"],
    ["{scheme}://{host}:81{path}", "http://example.org:81/a%20b/c"],
    ["{scheme}://www.{host}/", "http://www.example.org/"],
    ["https://example.net/{path}", "https://example.net/a%20b/c"],
    ["{path}{query}", "/a%20b/c?x=1&y=%2F"],
    ["/new?{query}", "/new?x=1&y=%2F"],
    ["/new?a=b&{query}", "/new?a=b&x=1&y=%2F"],
    ["/new?{query}#top", "/new?x=1&y=%2F#top"],
    ["/login?next={path}{query}", "/login?next=%2Fa%2520b%2Fc%3Fx%3D1%26y%3D%252F"],
    ["/login?host={host}&to={path}", "/login?host=example.org&to=%2Fa%2520b%2Fc"],
    ["/#{path}", "/#%2Fa%2520b%2Fc"],
    ["/h/{host}", "/h/example.org"],
  ];
  for (const [template, location] of cases) assertEquals(redirect(template), location, template);
});

Deno.test("an empty query leaves no mark behind", () => {
  assertEquals(redirect("/new{query}", { query: "" }), "/new");
  assertEquals(redirect("/new?{query}", { query: "" }), "/new");
  assertEquals(redirect("/new?a&{query}", { query: "" }), "/new?a");
  assertEquals(redirect("/new?{query}", { query: "?" }), "/new");
});

Deno.test("nothing that a client sends can leave its place in the URL", () => {
  const cases: [template: string, values: Partial<RedirectValues>, location: string][] = [
    ["{path}", { path: "//evil.org/x" }, "/evil.org/x"],
    ["{path}", { path: "/\\evil.org" }, "/%5Cevil.org"],
    ["/{path}", { path: "//evil.org" }, "/evil.org"],
    ["https://example.net{path}", { path: "//evil.org" }, "https://example.net//evil.org"],
    ["https://example.net{path}", { path: "*" }, "https://example.net/*"],
    ["https://example.net{path}", { path: ".evil.org" }, "https://example.net/.evil.org"],
    ["https://example.net{path}", { path: "@evil.org" }, "https://example.net/@evil.org"],
    ["https://{host}/", { host: "evil.org/x?" }, "https://evil.org%2Fx%3F/"],
    ["https://{host}/", { host: "a@evil.org" }, "https://a%40evil.org/"],
    ["https://{host}/", { host: "[::1]:80" }, "https://[::1]/"],
    ["{scheme}://{host}/", { scheme: "javascript" }, "http://example.org:8080/"],
    ["/x{query}", { query: "?a\r\nSet-Cookie: b" }, "/x?a%0D%0ASet-Cookie:%20b"],
    ["/x{path}", { path: "/\r\n\r\n<script>" }, "/x/%0D%0A%0D%0A%3Cscript%3E"],
    ["/x?to={path}", { path: "/&admin=1#" }, "/x?to=%2F%26admin%3D1%23"],
    ["/x?{query}", { query: "?é\ud800" }, "/x?%C3%A9%EF%BF%BD"],
  ];
  for (const [template, values, location] of cases) {
    assertEquals(redirect(template, values), location, template);
  }
});

Deno.test("without a host there is no redirect that takes one", () => {
  assertEquals(redirect("https://{host}/", { host: "" }), undefined);
  assertEquals(redirect("/x", { host: "" }), "/x");
});

Deno.test("a template that can't be used is refused", () => {
  const bad = [
    "",
    "x",
    "//example.org/",
    "ftp://x/",
    "javascript:alert(1)",
    "https://",
    "https:///x",
    "https://{path}",
    "https://{query}",
    "https://x.{scheme}/",
    "{host}/x",
    "{query}",
    "{scheme}:{path}",
    "/{scheme}",

    "/a b",
    "/a\r\nb",
    "/ü",
    '/"',
    "/{",
    "/{}",
    "/{uri}",
    "https://x/%zz",
    "https://a:b:c/",
  ];
  for (const template of bad) {
    const fault = faultOfRedirect(template);
    assertEquals(typeof fault, "string", template);
    assertEquals(assertThrows(() => compileRedirect(template), CulvertError).code, "bad_template");
  }
  assertEquals(
    faultOfRedirect("/{uri}"),
    "{uri} is no variable; there are {scheme}, {host}, {path}, {query}",
  );
});
