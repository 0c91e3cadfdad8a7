import { assert, assertEquals, assertMatch } from "@std/assert";
import { type AnswerOptions, ownAnswer, reasonPhrase } from "../../src/http_proxy/answers.ts";

function answer(
  status: number,
  options: AnswerOptions = {},
): { head: string; fields: Map<string, string>; body: string } {
  const [head = "", body = ""] = new TextDecoder().decode(ownAnswer(status, options)).split(/\r\n\r\n([^]*)/);
  const lines = head.split("\r\n").slice(1).map((line) => line.split(/: (.*)/));
  return { head, fields: new Map(lines.map(([name = "", value = ""]) => [name.toLowerCase(), value])), body };
}

function kindFor(accept: string | undefined): string {
  return /(plain|html|json)/.exec(answer(502, { accept }).fields.get("content-type")!)![1]!;
}

Deno.test("the content is HTML, JSON or text, as the client would rather have it", () => {
  const cases: [accept: string | undefined, kind: string][] = [
    [undefined, "plain"],
    ["*/*", "plain"],
    ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"],
    ["application/json", "json"],
    ["application/json, text/plain, */*", "json"],
    ["application/problem+json", "json"],
    ["text/plain, text/html", "html"],
    ["text/plain, text/html;q=0.9", "plain"],
    ["text/*", "plain"],
    ["application/*", "json"],
    ["text/html;q=0, */*", "plain"],
    ["text/html;q=0.1, application/json;q=0.2", "json"],
    ["TEXT/HTML", "html"],
    ["image/png", "plain"],
    ["text/html;q=abc", "plain"],
    [",;,=q", "plain"],
    ["text/html,".repeat(1000), "plain"],
  ];
  for (const [accept, kind] of cases) assertEquals(kindFor(accept), kind, accept?.slice(0, 80));
});

Deno.test("an answer has a fixed form, with the id of the request and nothing of backends", () => {
  const text = answer(502, { requestId: "0123" });
  assertMatch(
    text.head,
    /^HTTP\/1\.1 502 Bad Gateway\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/,
  );
  assertEquals(text.body, "502 Bad Gateway\nThe server gave no valid answer.\nRequest: 0123\n");
  assertEquals(Number(text.fields.get("content-length")), text.body.length);
  assertEquals([...text.fields.keys()], ["date", "content-type", "content-length"]);
  assertEquals(JSON.parse(answer(503, { accept: "application/json", requestId: "0123" }).body), {
    status: 503,
    error: "Service Unavailable",
    message: "The service is not available at the moment.",
    requestId: "0123",
  });
  const html = answer(404, { accept: "text/html", requestId: "<b>&" }).body;
  assert(html.includes("<h1>404 Not Found</h1>"));
  assert(html.includes("<code>&lt;b&gt;&amp;</code>"));
  assertEquals(answer(400).body, "400 Bad Request\n");
});

Deno.test("Retry-After, Allow, Location and the end of the connection are reported", () => {
  assertEquals(answer(503, { retryAfter: 1 }).fields.get("retry-after"), "1");
  assertEquals(answer(405, { allow: "GET, HEAD" }).fields.get("allow"), "GET, HEAD");
  assertEquals(answer(308, { location: "/new" }).fields.get("location"), "/new");
  assertEquals(answer(400, { close: true }).fields.get("connection"), "close");
  assertEquals(answer(404, { keepAlive: true }).fields.get("connection"), "keep-alive");
  assertEquals(answer(404).fields.has("connection"), false);
});

Deno.test("HEAD gets the length and no content, and 204 and 304 neither", () => {
  const head = answer(404, { isHead: true });
  assertEquals([head.body, head.fields.get("content-length")], ["", String(answer(404).body.length)]);
  for (const status of [204, 304]) {
    const none = answer(status);
    assertEquals([none.body, none.fields.has("content-length")], ["", false]);
  }
});

Deno.test("a page of its own takes the place of the content, for its status alone", () => {
  const errors = { 502: { type: "text/html", body: new TextEncoder().encode("<p>Zoë</p>") } };
  const page = answer(502, { errors, accept: "application/json" });
  assertEquals([page.body, page.fields.get("content-type")], ["<p>Zoë</p>", "text/html"]);
  assertEquals(page.fields.get("content-length"), "11");
  assertEquals(kindFor("application/json"), "json");
  assertEquals(answer(503, { errors }).fields.get("content-type"), "text/plain; charset=utf-8");
});

Deno.test("a given body and its fields are sent as they are", () => {
  const body = new TextEncoder().encode("{}");
  const given = answer(201, {
    body,
    fields: [["Content-Type", "application/json"], ["X-Name", "Zo\u00c3\u00ab"]],
  });
  assertEquals([given.body, given.fields.get("content-type"), given.fields.get("x-name")], [
    "{}",
    "application/json",
    "Zoë",
  ]);
});

Deno.test("every status has a reason phrase", () => {
  assertEquals(reasonPhrase(431), "Request Header Fields Too Large");
  for (
    const [status, phrase] of [[299, "OK"], [399, "Redirection"], [499, "Client Error"], [
      599,
      "Server Error",
    ]]
  ) {
    assertEquals(reasonPhrase(status as number), phrase);
  }
});
