import { assert, assertEquals, assertMatch } from "@std/assert";
import { type AccessFormat, type AccessRecord, formatAccess } from "../../src/http_proxy/access_log.ts";
import { HTTP_REASONS } from "../../src/http_proxy/http_reason.ts";

const RECORD: AccessRecord = {
  time: Date.UTC(2026, 0, 31, 10, 0, 0, 7),
  service: "web",
  listener: "127.0.0.1:8080",
  client: "192.0.2.1",
  identity: "CN=alice smith",
  requestId: "0123",
  method: "GET",
  host: "example.org",
  path: "/a",
  query: "?b=c",
  version: "1.1",
  status: 200,
  bytesUp: 0,
  bytesDown: 1024,
  headMs: 0.04,
  connectMs: 0,
  firstByteMs: 1.25,
  totalMs: 12,
  backend: "10.0.0.11:80",
  tries: 1,
  reason: "ok",
  referer: "https://example.org/",
  userAgent: "curl/8.0",
};

Deno.test("a request has one line, as text, JSON or in the combined form", () => {
  assertEquals(
    formatAccess(RECORD, "text"),
    "2026-01-31T10:00:00.007Z info  request service=web listener=127.0.0.1:8080 client=192.0.2.1 " +
      'identity="CN=alice smith" request_id=0123 method=GET host=example.org path=/a?b=c status=200 bytes_up=0 ' +
      "bytes_down=1024 head_ms=0 connect_ms=0 first_byte_ms=1.3 duration_ms=12 backend=10.0.0.11:80 tries=1 reason=ok\n",
  );
  assertEquals(
    formatAccess(RECORD, "combined"),
    '192.0.2.1 - CN=alice\\x20smith [31/Jan/2026:10:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 1024 ' +
      '"https://example.org/" "curl/8.0"\n',
  );
  assertEquals(JSON.parse(formatAccess(RECORD, "json")), {
    "@timestamp": "2026-01-31T10:00:00.007Z",
    level: "INFO",
    message: "request",
    logger: "culvert",
    service: "web",
    listener: "127.0.0.1:8080",
    client: "192.0.2.1",
    identity: "CN=alice smith",
    request_id: "0123",
    method: "GET",
    host: "example.org",
    path: "/a?b=c",
    status: 200,
    bytes_up: 0,
    bytes_down: 1024,
    head_ms: 0,
    connect_ms: 0,
    first_byte_ms: 1.3,
    duration_ms: 12,
    backend: "10.0.0.11:80",
    tries: 1,
    reason: "ok",
  });
});

Deno.test("what is not known is left out, or a hyphen in the combined form", () => {
  const bad: AccessRecord = {
    ...{
      time: RECORD.time,
      service: "web",
      client: "192.0.2.1",
      method: "",
      host: "",
      path: "",
      query: "",
      version: "",
    },
    ...{ status: 400, bytesUp: 0, bytesDown: 0, totalMs: 0.25, tries: 0, reason: "bad-request" },
  };
  assertEquals(
    formatAccess(bad, "text"),
    "2026-01-31T10:00:00.007Z info  request service=web client=192.0.2.1 status=400 bytes_up=0 bytes_down=0 " +
      "duration_ms=0.3 tries=0 reason=bad-request\n",
  );
  assertEquals(
    formatAccess(bad, "combined"),
    '192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] "-" 400 0 "-" "-"\n',
  );
});

Deno.test("the times of each second are its own", () => {
  const at = (time: number) => formatAccess({ ...RECORD, time }, "text").slice(0, 24);
  assertEquals(at(RECORD.time + 993), "2026-01-31T10:00:01.000Z");
  assertEquals(at(RECORD.time + 992), "2026-01-31T10:00:00.999Z");
  assertEquals(at(RECORD.time + 92.5), "2026-01-31T10:00:00.099Z");
});

/** What ends lines, moves cursors, colours, hides, turns text around, or ends a quoted text. */
const HOSTILE = [
  "a\nservice=evil",
  'a\r\n192.0.2.9 - - [x] "GET / HTTP/1.1" 200 0',
  '" status=999 "',
  '\\" x',
  "\x1b[31mred\x1b[0m",
  "\x9b31m",
  "\x00\x07\x08\x7f",
  "\u2028\u2029\u0085",
  "\u202Etxt.exe",
  "\ud800",
  "a b=c",
  "caf\u00c3\u00a9",
  '{"a":1}',
  "x".repeat(100_000),
];

Deno.test("nothing that a client sends breaks a line, colours it, or looks like another field", () => {
  for (const text of HOSTILE) {
    const record = {
      ...RECORD,
      identity: text,
      method: text,
      host: text,
      path: text,
      userAgent: text,
      referer: text,
    };
    for (const format of ["text", "json", "combined"] as AccessFormat[]) {
      const line = formatAccess({ ...record, requestId: text, error: text }, format);
      assertMatch(line, /^[^\n]*\n$/);
      assert(!/[\p{C}\p{Zl}\p{Zp}]/u.test(line.slice(0, -1)), `${format} ${JSON.stringify(text)}`);
      assert(line.length < 100_000, format);
    }
  }
});

Deno.test("a line with hostile values is read as it was meant", () => {
  for (const text of HOSTILE) {
    const record = { ...RECORD, host: text, userAgent: text };
    const shown = JSON.parse(formatAccess(record, "json")).host as string;
    if (text.length < 8192) assertEquals(shown, text);
    const line = formatAccess(record, "text");
    const pairs = [...line.matchAll(/ ([a-z_]+)=("(?:[^"\\]|\\.)*"|\S+)/g)].map(([, name]) => name);
    assertEquals(
      pairs.filter((name) => name === "service" || name === "status").length,
      2,
      line.slice(0, 200),
    );
    const combined = formatAccess(record, "combined").match(/"(?:[^"\\]|\\.)*"/g);
    assertEquals(combined?.length, 3);
  }
});

Deno.test("every reason is reported in one word", () => {
  for (const reason of Object.keys(HTTP_REASONS)) assertMatch(reason, /^[a-z]+(-[a-z]+)*$/);
});
