import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { DENO, MAIN } from "../support/program.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGES = ["README.md", "docs/mutual_tls.md"].map((page) => Deno.readTextFileSync(ROOT + page)).join("");

/** An example without the comments at its top. */
function example(name: string): string {
  return Deno.readTextFileSync(`${ROOT}examples/${name}`).replace(/^(#.*\n)+/, "");
}

Deno.test("the documentation shows the examples as they are", () => {
  const shown = [
    ...PAGES.matchAll(/\(this is\s+\[examples\/([^\]]+)\]\([^)]+\)\):\n\n```yaml\n(.*?)```/gs),
  ];
  assertEquals(shown.map(([, name]) => name), [
    "postgres.yaml",
    "web.yaml",
    "mutual-tls-server.yaml",
    "mutual-tls-client.yaml",
  ]);
  for (const [, name, text] of shown) assertEquals(text, example(name!), name);
});

Deno.test("the examples with TLS are valid in the folder that their comments name, with the certificates of the documentation", async () => {
  await using folder = new TemporaryFolder();
  const runs = PAGES.matchAll(/^deno run (.*) main\.ts (certs my-certs (?:--name|client) .*)$/gm);
  const commands = [...runs].map(([, flags, words]) => [...flags!.split(" "), MAIN, ...words!.split(" ")]);
  assertEquals(commands.length, 2);
  for (const words of commands) {
    const { code, stderr } = await run(DENO, ["run", ...words], { cwd: folder.path });
    assertEquals(code, 0, stderr);
  }
  const copies = { "mutual-tls-server": "server", "mutual-tls-client": "client", web: "web" };
  for (const [name, copy] of Object.entries(copies)) {
    const text = Deno.readTextFileSync(`${ROOT}examples/${name}.yaml`);
    assertStringIncludes(text, `Copy this file as ${copy}.yaml next to my-certs/`);
    Deno.writeTextFileSync(folder.file(`${copy}.yaml`), text);
    const args = ["run", "--allow-read=.", MAIN, "check", "--config", `${copy}.yaml`];
    const { code, stdout, stderr } = await run(DENO, args, { cwd: folder.path });
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, name === "web" ? "/my-certs/server.pem" : "/my-certs/ca.pem");
  }
});

Deno.test("the example of the library serves what its comment asks for", async () => {
  const path = `${ROOT}examples/http_pool.ts`;
  const asked = [...Deno.readTextFileSync(path).matchAll(/curl -i http:\/\/127\.0\.0\.1:8000(\S*)/g)];
  assertEquals(asked.length, 3);
  const args = ["run", "--no-check", "--allow-net", path, "0"];
  await using child = new Deno.Command(DENO, {
    args,
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const lines = child.stderr.pipeThrough(new TextDecoderStream());
  let text = "";
  let port: string | undefined;
  for await (const piece of lines.values({ preventCancel: true })) {
    text += piece;
    port = /127\.0\.0\.1:(\d+)\//.exec(text)?.[1];
    if (port !== undefined) break;
  }
  const answers: [number, string][] = [];
  for (const [, target] of asked) {
    const response = await fetch(`http://127.0.0.1:${port}${target}`, { redirect: "manual" });
    const body = await response.text();
    answers.push([response.status, response.headers.get("location") ?? JSON.parse(body).path]);
  }
  assertEquals(answers, [[200, "/"], [200, "/v2/users?id=7"], [308, "/api/docs"]]);
  child.kill("SIGINT");
  await lines.cancel();
  assertEquals((await child.status).code, 0);
});
