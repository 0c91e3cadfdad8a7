import { assert, assertEquals } from "@std/assert";
import { formatAccess } from "../../src/http_proxy/access_log.ts";
import { FIELD_VARIABLES } from "../../src/http_proxy/header_rules.ts";
import { HTTP_REASONS } from "../../src/http_proxy/http_reason.ts";
import { httpKeys } from "../../src/config/schema/http_schema.ts";
import { problemsOf } from "./http_fixture.ts";
import { complaints } from "./support.ts";

const DOCS = new URL("../../docs/", import.meta.url);

/** The first example in YAML of a page. */
async function firstExample(page: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(page, DOCS));
  return /^```yaml\n([^]*?)^```$/m.exec(text)![1]!;
}

Deno.test("the reference of the configuration is a good configuration", async () => {
  // Reading it does not look for the files that it names.
  assertEquals(complaints(await firstExample("configuration.md")), []);
});

Deno.test("the example for STARTTLS is a good configuration", async () => {
  assertEquals(complaints(await firstExample("starttls.md")), []);
});

Deno.test("the reference of HTTP services is a good configuration, and has all of their keys", async () => {
  const example = await firstExample("http.md");
  assertEquals(problemsOf(example), []);
  for (const key of Object.keys(httpKeys)) assert(new RegExp(`^    ${key}:`, "m").test(example), key);
});

Deno.test("the reasons of HTTP requests are documented as they are meant", async () => {
  const page = await Deno.readTextFile(new URL("http.md", DOCS));
  const [section = ""] = page.split("\n## Reasons\n")[1]!.split("\n## ");
  const rows = section.matchAll(/^\| `([^`]+)` +\| (.*?) +\|$/gm);
  assertEquals(Object.fromEntries([...rows].map(([, reason, meaning]) => [reason, meaning])), HTTP_REASONS);
});

Deno.test("the fields of access lines and the variables of fields are documented", async () => {
  const page = await Deno.readTextFile(new URL("http.md", DOCS));
  const line = formatAccess({
    ...{
      time: 0,
      service: "s",
      listener: "l",
      client: "c",
      identity: "i",
      requestId: "r",
      method: "GET",
      host: "h",
    },
    ...{
      path: "/",
      query: "",
      version: "1.1",
      status: 200,
      bytesUp: 0,
      bytesDown: 0,
      headMs: 0,
      connectMs: 0,
    },
    ...{ firstByteMs: 0, totalMs: 0, backend: "b", tries: 1, reason: "ok", error: "e" },
  }, "text");
  const fields = [...line.matchAll(/ (\w+)=/g)].map(([, name]) => name!);
  assertEquals(fields.length, 19);
  for (const field of fields) assert(page.includes(`\`${field}\``), field);
  for (const variable of FIELD_VARIABLES) assert(page.includes(`{${variable}}`), variable);
});
