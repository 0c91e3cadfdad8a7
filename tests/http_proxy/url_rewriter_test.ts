import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { UrlRewriter } from "../../src/http_proxy/url_rewriter.ts";

const CLIENT = "https://example.org";

Deno.test("the prefix is taken off on whole segments, unless the backend's path is the same", () => {
  const cases: [path: string, backend: string, url: string, target: string | undefined][] = [
    ["/api", "http://b:8080", "/api/users?id=7", "http://b:8080/users?id=7"],
    ["/api", "http://b:8080/", "/api", "http://b:8080/"],
    ["/api/", "http://b:8080", "/api/", "http://b:8080/"],
    ["/api", "http://b:8080", "/apix", undefined],
    ["/api", "http://b:8080", "/", undefined],
    ["/api", "http://b:8080/api", "/api/users", "http://b:8080/api/users"],
    ["/api/", "http://b:8080/api", "/api", "http://b:8080/api"],
    ["/api", "http://b:8080/v2/", "/api/users", "http://b:8080/v2/users"],
    ["/", "https://b", "/x/y", "https://b/x/y"],
    ["/", "https://b/base", "/x", "https://b/base/x"],
    ["/api", "http://b", "/api//evil.org/x", "http://b/evil.org/x"],
  ];
  for (const [path, backend, url, target] of cases) {
    assertEquals(new UrlRewriter({ path, backend }).toBackend(CLIENT + url)?.href, target, `${path} ${url}`);
  }
});

Deno.test("rewrite takes the place of the prefix", () => {
  const rewriter = new UrlRewriter({ path: "/api", rewrite: "v2/", backend: "http://b/ignored" });
  assertEquals(rewriter.toBackend(`${CLIENT}/api/users?x`)?.href, "http://b/v2/users?x");
  assertEquals(rewriter.toClient("/v2/login", { client: CLIENT }), "/api/login");
});

Deno.test("only URLs of the backend's own host are mapped back", () => {
  const rewriter = new UrlRewriter({ path: "/api", backend: "http://b:8080" });
  const toClient = (location: string) => rewriter.toClient(location, { client: `${CLIENT}/api/x` });
  assertEquals(toClient("http://b:8080/login?x#y"), "https://example.org/api/login?x#y");
  assertEquals(toClient("/login"), "/api/login");
  for (const foreign of ["http://b/login", "http://c:8080/login", "//c/login", "login", "http://b:8080@c/"]) {
    assertEquals(toClient(foreign), foreign);
  }
});

Deno.test("a request for the path itself is redirected if `redirect` is set", () => {
  const rewriter = new UrlRewriter({ path: "/", redirect: "/app{query}", backend: "http://b" });
  assertEquals(rewriter.redirect(`${CLIENT}/?a=b`), "/app?a=b");
  assertEquals(rewriter.redirect(`${CLIENT}/other`), undefined);
  const deep = new UrlRewriter({ path: "/old", redirect: "{scheme}://{host}/new", backend: "http://b" });
  assertEquals(deep.redirect("http://example.org:81/old/"), "http://example.org:81/new");
  assertEquals(new UrlRewriter({ backend: "http://b" }).redirect(CLIENT), undefined);
});

Deno.test("options that can't be used are refused", () => {
  const bad: [options: ConstructorParameters<typeof UrlRewriter>[0], code: string][] = [
    [{ backend: "b:8080" }, "bad_url"],
    [{ backend: "ftp://b" }, "bad_url"],
    [{ backend: "http://user@b" }, "bad_url"],
    [{ backend: "http://b/?x" }, "bad_url"],
    [{ backend: "http://b", path: "/a?b" }, "bad_route"],
    [{ backend: "http://b", rewrite: "/a/../b" }, "bad_route"],
    [{ backend: "http://b", redirect: "javascript:alert(1)" }, "bad_template"],
  ];
  for (const [options, code] of bad) {
    assertEquals(assertThrows(() => new UrlRewriter(options), CulvertError).code, code);
  }
});
