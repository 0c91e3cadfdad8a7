import { assertEquals, assertRejects } from "@std/assert";
import { badConfig, loadCredentials } from "../../../src/app/credentials/credentials.ts";
import { ConfigError } from "../../../src/config/problem/problem.ts";
import { ConfigReading } from "../../../src/config/reading.ts";
import { httpWith } from "../../config/http_fixture.ts";
import { TemporaryFolder } from "../../support/folder.ts";

function read(keys: string, { path: folder }: TemporaryFolder): ConfigReading {
  const text = httpWith(`upstream: app\n${keys}`);
  return new ConfigReading(text, { name: "proxy.yaml", folder });
}

Deno.test("pages are read as bytes, with a type by their extension", async () => {
  await using folder = new TemporaryFolder();
  await Deno.writeTextFile(folder.file("a.HTML"), "<p>é");
  await Deno.writeTextFile(folder.file("b.json"), "{}");
  await Deno.writeTextFile(folder.file("c"), "c");
  const { errorPages } = await loadCredentials(
    read("errors: {502: a.HTML, 503: b.json, 404: c}", folder),
    "proxy.yaml",
  );
  const pages = Object.entries(errorPages.get("web")!).map((
    [status, { type, body }],
  ) => [status, type, new TextDecoder().decode(body)]);
  assertEquals(pages, [
    ["404", "application/octet-stream", "c"],
    ["502", "text/html; charset=utf-8", "<p>é"],
    ["503", "application/json", "{}"],
  ]);
});

Deno.test("a page that can't be read or is too large is reported with its key", async () => {
  await using folder = new TemporaryFolder();
  await Deno.writeFile(folder.file("large.html"), new Uint8Array(1024 * 1024 + 1));
  const keys = "errors: {502: missing.html, 503: large.html, 504: .}";
  const error = await assertRejects(() => loadCredentials(read(keys, folder), "proxy.yaml"), ConfigError);
  const problems = [
    'services[0].errors.502: cannot read "/missing.html": no such file',
    'services[0].errors.503: cannot use "/large.html": it has more than 1 MiB',
    'services[0].errors.504: cannot read "": it is no file',
  ];
  assertEquals(
    error.message.split("\n").map((line) => line.replace(/^proxy\.yaml:\d+: /, "").replace(folder.path, "")),
    problems,
  );
  const alsoBad = await badConfig(read(`${keys}\nlimits: 1`, folder), "proxy.yaml");
  assertEquals(alsoBad.problems.length, 4);
});
