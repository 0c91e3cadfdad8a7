import { assertEquals } from "@std/assert";
import { InputBuffer } from "../../src/http/input_buffer.ts";
import { RequestHead } from "../../src/http/request.ts";
import { ACCEPTED_REQUESTS } from "./accepted_requests.ts";
import { encode, readRequest, splits } from "./read_head.ts";
import { REFUSED_REQUESTS } from "./refused_requests.ts";

/** Beyond this, not every split is tried. */
const MAX_SPLIT_BYTES = 2000;

Deno.test("what is valid is read as it stands, in any pieces, and what follows is left", () => {
  for (const [what, text, expected] of ACCEPTED_REQUESTS) {
    const bytes = encode(`${text}POST`);
    const told = readRequest({ pieces: [bytes] });
    if (!told.startsWith("{")) throw new Error(`${what}: ${told}`);
    const values = JSON.parse(told);
    for (const [key, value] of Object.entries(expected)) assertEquals(values[key], value, `${what}: ${key}`);
    for (const pieces of bytes.length > MAX_SPLIT_BYTES ? [] : splits(bytes)) {
      assertEquals(readRequest({ pieces }), told, what);
    }
  }
});

Deno.test("what is outside the grammar, or can be read in two ways, is refused with its status, in any pieces", () => {
  const wrong: string[] = [];
  for (const [what, status, text] of REFUSED_REQUESTS) {
    const bytes = encode(text);
    const told = readRequest({ pieces: [bytes] });
    if (!told.startsWith(`${status} `)) wrong.push(`${what}: expected ${status}, got ${told}`);
    for (const pieces of splits(bytes)) {
      const other = readRequest({ pieces });
      if (other !== told) wrong.push(`${what}: ${other} after ${pieces[0]!.length} bytes, else ${told}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("a head is refused at its bounds: target, head and number of fields", () => {
  const H = "Host: a\r\n";
  const limits = { headerSize: 256, headers: 4 };
  const field = (size: number) => `A: ${"b".repeat(size - 5)}\r\n`;
  const cases: [what: string, text: string, told: string][] = [
    ["a target", `GET /${"a".repeat(300)}`, "414 target_too_long"],
    ["a query", `GET /?${"a".repeat(300)} HTTP/1.1\r\n`, "414 target_too_long"],
    ["a method", "G".repeat(300), "431 head_too_large"],
    ["a field's name", `GET / HTTP/1.1\r\n${"a".repeat(300)}`, "431 head_too_large"],
    ["a field's value", `GET / HTTP/1.1\r\n${field(300)}`, "431 head_too_large"],
    ["white space", `GET / HTTP/1.1\r\nA:${" ".repeat(300)}`, "431 head_too_large"],
    ["many small fields", `GET / HTTP/1.1\r\n${H}${"a:\r\n".repeat(4)}\r\n`, "431 too_many_fields"],
    ["one byte too many", `GET / HTTP/1.1\r\n${H}${field(256 - 16 - 9 - 2 + 1)}\r\n`, "431 head_too_large"],
    ["no byte too many", `GET / HTTP/1.1\r\n${H}${field(256 - 16 - 9 - 2)}\r\n`, "{"],
    ["as many fields as may be", `GET / HTTP/1.1\r\n${H}${"a:\r\n".repeat(3)}\r\n`, "{"],
  ];
  for (const [what, text, expected] of cases) {
    const bytes = encode(text);
    const told = readRequest({ pieces: [bytes], ...limits });
    assertEquals(told.slice(0, expected.length), expected, what);
    for (const pieces of splits(bytes)) assertEquals(readRequest({ pieces, ...limits }), told, what);
  }
});

Deno.test("underscores and encoded slashes are kept where that is asked for, but nothing that is ours", () => {
  const told = JSON.parse(readRequest({
    pieces: [
      encode(
        "GET /a%2fb/../%41%2F HTTP/1.1\r\nHost: a\r\nuser_agent: b\r\nX_Forwarded_For: c\r\nContent_Length: 5\r\nx-real_ip: d\r\nClient_Cert: e\r\n\r\n",
      ),
    ],
    underscores: "allow",
    encodedSlashes: "keep",
  }));
  assertEquals(told.path, "/A%2F");
  assertEquals(told.copy, "Host: a\r\nuser_agent: b\r\n");
  for (const path of ["/a/..%2fb", "/a%2f..%2fb", "/a%2f../b", "/%2e%2e%2fb", "/a%2f.;x%2fb", "/..%2F"]) {
    const pieces = [encode(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)];
    assertEquals(readRequest({ pieces, encodedSlashes: "keep" }).slice(0, 4), "400 ", path);
  }
});

Deno.test("one head serves request after request, and keeps nothing of the last one", () => {
  const first = encode(
    "POST http://b:80/%61?c HTTP/1.0\r\nConnection: x\r\nX: y\r\nContent-Length: 5\r\nTE: trailers\r\n\r\n",
  );
  const second = encode("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
  const alone = readRequest({ pieces: [second] });
  const both = readRequest({ pieces: [first, second], skip: 1 });
  assertEquals(both, alone);
});

Deno.test("a request without Host has no host, whatever the head has served before", () => {
  const head = new RequestHead();
  const hosts: string[] = [];
  for (
    const text of [
      "GET / HTTP/1.1\r\nX: %ff\r\nHost: a.example:80\r\n\r\n",
      "GET /%41%42%43 HTTP/1.0\r\n\r\n",
      "GET http://b.example/ HTTP/1.0\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
    ]
  ) {
    const bytes = encode(text);
    const input = new InputBuffer(bytes, bytes.length);
    head.begin();
    assertEquals(head.parse(input), true);
    hosts.push(`${head.host} ${head.port}`);
  }
  assertEquals(hosts, ["a.example 80", " -1", "b.example -1", " -1"]);
});
