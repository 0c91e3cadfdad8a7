import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { buildSniMap, faultOfSniPattern } from "../../../src/net/client_hello/sni_map.ts";

Deno.test("an exact name wins over a wildcard, which stands for one whole label", () => {
  const map = buildSniMap([
    ["*.example.org", "wildcard"],
    ["app.example.org", "app"],
    ["*.app.example.org", "below app"],
    ["Example.COM", "com"],
    ["*.localhost", "local"],
    ["_dns.example.net", "underscore"],
  ]);
  const names: readonly [name: string | undefined, value: string | undefined][] = [
    ["app.example.org", "app"],
    ["APP.Example.Org", "app"],
    ["other.example.org", "wildcard"],
    ["a.b.example.org", undefined],
    ["a.app.example.org", "below app"],
    ["example.org", undefined],
    ["example.com", "com"],
    ["www.example.com", undefined],
    ["a.localhost", "local"],
    ["localhost", undefined],
    ["_dns.example.net", "underscore"],
    [".example.org", undefined],
    ["*.example.org", "wildcard"], // No client may ask for it: a ClientHello with such a name is refused.
    ["org", undefined],
    ["", undefined],
    ["__proto__", undefined],
    ["constructor", undefined],
    [undefined, undefined],
  ];
  for (const [name, value] of names) assertEquals(map.get(name), value, name);
});

Deno.test("an exact name wins whatever belongs to it", () => {
  const map = buildSniMap<number | null>([["a.b", null], ["*.b", 0]]);
  assertEquals([map.get("a.b"), map.get("b.b"), buildSniMap([]).get("a.b")], [null, 0, undefined]);
});

Deno.test("a pattern that is none, or is there already, is refused", () => {
  const bad: readonly [patterns: readonly string[], reason: string][] = [
    [[""], '"": it is empty'],
    [["*"], '"*": it is not a name, nor one whose first label is *'],
    [["*."], '"*.": it is empty'],
    [["*.*.org"], '"*.*.org": it is not a name, nor one whose first label is *'],
    [["a*.org"], '"a*.org": it is not a name, nor one whose first label is *'],
    [["a.*.org"], '"a.*.org": it is not a name, nor one whose first label is *'],
    [["*org"], '"*org": it is not a name, nor one whose first label is *'],
    [["example.org."], '"example.org.": it is not a name without a dot at its end'],
    [["*.example.org."], '"*.example.org.": it is not a name without a dot at its end'],
    [["192.0.2.1"], '"192.0.2.1": it is an IP address'],
    [["*.0.2.1"], '"*.0.2.1": it is an IP address, or too much like one'],
    [["::1"], '"::1": it is an IP address'],
    [["müller.example"], '"m\\u00fcller.example": it is not ASCII; expected the form that begins with xn--'],
    [["a b"], '"a b": it is no host name'],
    [["a.org", "b.org", "A.org"], '"A.org": it is there already'],
    [["*.a.org", "*.A.org"], '"*.A.org": it is there already'],
  ];
  for (const [patterns, reason] of bad) {
    const entries = patterns.map((pattern) => [pattern, 1] as const);
    const error = assertThrows(() => buildSniMap(entries), CulvertError);
    assertEquals([error.code, error.message], ["bad_server_name", `Cannot use the server name ${reason}`]);
  }
});

Deno.test("what is wrong with a pattern is reported without a map, too", () => {
  assertEquals(faultOfSniPattern("*.example.org"), undefined);
  assertEquals(faultOfSniPattern("xn--mller-kva.example"), undefined);
  assertEquals(faultOfSniPattern("1.2.3.4"), "an IP address");
});
