import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { DENO, MAIN } from "../support/program.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const README = Deno.readTextFileSync(`${ROOT}README.md`);

/** An example without the comments at its top. */
function example(name: string): string {
  return Deno.readTextFileSync(`${ROOT}examples/${name}`).replace(/^(#.*\n)+/, "");
}

Deno.test("the README shows the examples as they are", () => {
  const shown = [
    ...README.matchAll(/\(this is\s+\[examples\/([^\]]+)\]\([^)]+\)\):\n\n```yaml\n(.*?)```/gs),
  ];
  assertEquals(shown.map(([, name]) => name), [
    "postgres.yaml",
    "web.yaml",
    "mutual-tls-server.yaml",
    "mutual-tls-client.yaml",
  ]);
  for (const [, name, text] of shown) assertEquals(text, example(name!), name);
});

Deno.test("the examples with TLS are valid in the folder that their comments name, with the certificates of the README", async () => {
  await using folder = new TemporaryFolder();
  const runs = README.matchAll(/^deno run (.*) main\.ts (certs my-certs (?:--name|client) .*)$/gm);
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
