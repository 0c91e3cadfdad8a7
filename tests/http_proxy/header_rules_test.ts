import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import {
  byteString,
  CompiledRules,
  faultOfFieldName,
  faultOfFieldValue,
  fieldValue,
  type FieldValues,
} from "../../src/http_proxy/header_rules.ts";

const VALUES: FieldValues = {
  "client.ip": "10.0.0.1",
  "client.port": "4711",
  "client.identity": "CN=alice",
  "request.id": "0123",
  scheme: "https",
  host: "example.org",
  method: "GET",
  path: "/a",
  query: "",
};

Deno.test("fields are set, added and removed, with variables filled in", () => {
  const rules = new CompiledRules({
    set: { "X-Team": "core", "X-Who": "{client.identity} at {client.ip}:{client.port}" },
    add: { "X-Team": "{request.id}{query}" },
    remove: ["X-Debug", "x_old"],
  }, "request");
  assertEquals([...rules.dropped], ["x-team", "x-who", "x-debug", "x-old"]);
  assertEquals(rules.fields(VALUES), [
    ["X-Team", "core"],
    ["X-Who", "CN=alice at 10.0.0.1:4711"],
    ["X-Team", "0123"],
  ]);
});

Deno.test("what is added leaves the fields of that name in place", () => {
  assertEquals([...new CompiledRules({ add: { "X-A": "b" } }, "response").dropped], []);
});

Deno.test("without variables the same list is handed out each time", () => {
  const rules = new CompiledRules({ set: { "X-A": '{"a": 1} {}', "X-B": "" } }, "response");
  assertStrictEquals(rules.fields(VALUES), rules.fields({ ...VALUES, host: "other.org" }));
  assertEquals(rules.fields(VALUES), [["X-A", '{"a": 1} {}'], ["X-B", ""]]);
});

Deno.test("a field whose variable stands for nothing is dropped and not written", () => {
  const rules = new CompiledRules({ set: { "X-Who": "id {client.identity}", "X-A": "b" } }, "request");
  assertEquals(rules.fields({ ...VALUES, "client.identity": undefined }), [["X-A", "b"]]);
  assertEquals(rules.dropped.has("x-who"), true);
});

Deno.test("a value of a request that would break a line is not written", () => {
  const rules = new CompiledRules({ set: { "X-Path": "{path}", "X-Host": "{host}" } }, "request");
  for (const breaking of ["/a\r\nEvil: 1", "/a\nb", "/a\0", "/\x7f", "/\x1b[31m"]) {
    assertEquals(rules.fields({ ...VALUES, path: breaking }), [["X-Host", "example.org"]]);
  }
  assertEquals(rules.fields({ ...VALUES, path: "/a\tb" })[0], ["X-Path", "/a\tb"]);
});

Deno.test("a value has a character for each byte of UTF-8", () => {
  assertEquals(byteString("é"), "\u00c3\u00a9");
  assertEquals(fieldValue("CN=Zoë"), "CN=Zo\u00c3\u00ab");
  assertEquals(fieldValue("CN=a\nb"), undefined);
  assertEquals(new CompiledRules({ set: { "X-A": "ü{host}" } }, "request").fields(VALUES), [
    ["X-A", "\u00c3\u00bcexample.org"],
  ]);
});

Deno.test("names that frame a message or belong to a connection can't be set, added or removed", () => {
  const own = [
    "Connection",
    "content-length",
    "Transfer_Encoding",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "UPGRADE",
    "HTTP2-Settings",
  ];
  for (const side of ["request", "response"] as const) {
    for (const name of own) {
      assertEquals(typeof faultOfFieldName(name, side), "string", name);
      for (const rules of [{ set: { [name]: "x" } }, { add: { [name]: "x" } }, { remove: [name] }]) {
        assertEquals(assertThrows(() => new CompiledRules(rules, side), CulvertError).code, "bad_template");
      }
    }
    for (const name of ["", "a b", "a:", "X-Ü", "a\r\n"]) {
      assertEquals(faultOfFieldName(name, side), "it is no name of a field", name);
    }
    for (const name of ["X-Forwarded-Proto", "Server", "Set-Cookie", "Cache-Control"]) {
      assertEquals(faultOfFieldName(name, side), undefined, name);
    }
  }
  assertEquals(faultOfFieldName("host", "request"), "Host is set by hostHeader");
  assertEquals(faultOfFieldName("Host", "response"), undefined);
});

Deno.test("values that would break a line are refused when they are read", () => {
  for (const bad of ["a\r\nEvil: 1", "a\nb", "a\0b", "\x1b[0m", "\ud800", "a\x7f"]) {
    assertEquals(faultOfFieldValue(bad), "it has control characters", JSON.stringify(bad));
  }
  assertEquals(faultOfFieldValue(" a"), "it has white space around it");
  assertEquals(
    faultOfFieldValue("{client.name}")?.startsWith("{client.name} is no variable; there are {client.ip}"),
    true,
  );
  for (const good of ["", "a\tb", "ü", "{}", "{ host }", '{"a":1}']) {
    assertEquals(faultOfFieldValue(good), undefined, good);
  }
});
