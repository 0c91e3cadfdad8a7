import * as v from "valibot";
import { assertEquals } from "@std/assert";
import { type Finding, fromIssues } from "../../../src/config/schema/findings.ts";
import { documentSchema } from "../../../src/config/schema/schema.ts";
import { validateDocument } from "../../../src/config/schema/validate_document.ts";
import { runAtOnce } from "../../../src/core/slices.ts";

const SERVICE = { name: "s", listen: [":1"], upstream: "db" };

function backends(bad: Record<number, unknown> = {}): unknown[] {
  return Array.from({ length: 350 }, (_, i) => bad[i] ?? `10.0.0.1:${i + 1}`);
}

function whole(document: unknown): { output: unknown; findings: Finding[] } {
  const result = v.safeParse(documentSchema, document);
  return { output: result.success ? result.output : undefined, findings: fromIssues(result.issues ?? []) };
}

function byPath(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => a.path.join(".") < b.path.join(".") ? -1 : 1);
}

Deno.test("a document that is validated in parts has the defaults of the whole", () => {
  const routes = Array.from({ length: 250 }, (_, i) => ({ match: { path: `/${i}` }, upstream: "db" }));
  const documents = [
    { version: 1, services: [SERVICE] },
    {
      version: 1,
      upstreams: { db: { backends: backends() } },
      services: [SERVICE, { ...SERVICE, name: "t" }],
    },
    { version: 1, services: [{ ...SERVICE, upstream: { backends: backends({ 200: { address: "a:1" } }) } }] },
    {
      version: 1,
      upstreams: { db: { backends: ["a:1"] } },
      services: [{ ...SERVICE, protocol: "http", routes }],
    },
  ];
  for (const document of documents) {
    assertEquals(runAtOnce(validateDocument(document)), whole(document) as never);
  }
});

Deno.test("what is wrong in a part is told with its place in the whole document", () => {
  const upstream = { backends: backends({ 3: "no port", 120: { adress: "a:1" }, 349: 5 }), retry: 1 };
  const documents: unknown[] = [
    undefined,
    "text",
    [],
    {},
    { version: 2, services: [] },
    { version: 1, services: {}, upstreams: [] },
    { version: 1, upstreams: { "": {}, db: 5, x: { backends: [] } }, services: [5, {}, SERVICE] },
    { version: 1, upstreams: { db: upstream }, services: [SERVICE, { ...SERVICE, upstream, lisen: [] }] },
    { version: 1, services: [{ ...SERVICE, upstream: 5 }, { ...SERVICE, routes: [] }], more: true },
    { version: 1, services: [{ ...SERVICE, upstream: [] }, { ...SERVICE, upstream: null }] },
    { version: 1, upstreams: { db: { backends: Array(70_000).fill("a:1") } }, services: [SERVICE] },
  ];
  for (const document of documents) {
    const { findings } = runAtOnce(validateDocument(document));
    assertEquals(byPath(findings), byPath(whole(document).findings), JSON.stringify(document)?.slice(0, 200));
    assertEquals(findings.length > 0, true);
  }
});

Deno.test("many problems are counted, in whichever parts they are", () => {
  const bad = Array.from({ length: 350 }, () => "no port");
  const document = {
    version: 1,
    upstreams: { a: { backends: bad }, b: { backends: bad } },
    services: [SERVICE],
  };
  const { findings } = runAtOnce(validateDocument(document));
  const count = findings.reduce((sum, { kind, value }) => sum + (kind === "more" ? Number(value) : 1), 0);
  assertEquals(count, 700);
});
